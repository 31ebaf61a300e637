"""A headless viewer of a channel: asks the API for a ticket, plays, fails over, decodes, and measures all of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from skyriver.apps.cli.measure.arrivals import Arrivals
from skyriver.apps.cli.measure.picture import PictureDecoder
from skyriver.apps.cli.measure.summary import percentile
from skyriver.client import Client, Edge, WatchTicket
from skyriver.fabric.moq import Endpoint, certificate_hashes, silence_native_logs
from skyriver.fabric.subscriber import MediaFrame
from skyriver.fabric.viewer import Ticket, Viewer
from skyriver.kernel.clock import monotonic_s, utc_now
from skyriver.kernel.ids import new_id

RENEW_AFTER = 0.9  # of a ticket's life; the rest is for an API that is away


class HeadlessViewer:
    """One viewer. `run` it in a task group; read `arrivals` at any time.

    Args:
        channel: id or slug. track: a video track; None takes the catalog's first.
        decode: decode each frame, and count its latency when its picture is there rather than when its bytes are.
    """

    def __init__(
        self,
        sky: Client,
        channel: str,
        *,
        track: str | None = None,
        decode: bool = False,
        on_first_frame: Callable[[], None] = lambda: None,
    ) -> None:
        self.arrivals = Arrivals()
        self.width = self.height = 0
        self.startup_ms: float | None = None
        self.decode_errors = 0
        self.reads_clock = False
        """Whether latency is from the wall clock in the demo's picture: the truth, from drawing to decoding. Media time
        begins with the arrival of a publisher's first frame, and is off by that frame's delay."""
        self.channel_id = channel
        self._sky = sky
        self._track = track
        self._decoder = PictureDecoder() if decode else None
        self._on_first_frame = on_first_frame
        self._edges: dict[str, Edge] = {}
        self._viewer: Viewer | None = None
        self._asked_at_s = 0.0
        self._name = new_id("vw")  # tickets of one viewer rank the edges alike

    @property
    def edge(self) -> Edge | None:
        """The edge this viewer plays from now."""
        used = self._viewer.viewing.edges if self._viewer is not None else []
        return self._edges.get(used[-1]) if used else None

    @property
    def node_id(self) -> str | None:
        """The node of that edge."""
        return self.edge.node_id if self.edge is not None else None

    @property
    def edges_used(self) -> list[Edge]:
        """Every edge frames came from, in the order of first use."""
        return [self._edges[url] for url in dict.fromkeys(self.arrivals.edges) if url in self._edges]

    def receives(self, within_s: float) -> bool:
        """Whether a frame came in the last `within_s` seconds."""
        last = self.arrivals.last
        return last is not None and monotonic_s() - last.at_s <= within_s

    @property
    def standby_ready(self) -> bool:
        """Whether this viewer's next edge is connected already."""
        return self._viewer is not None and self._viewer.standby_ready

    async def run(self) -> None:
        """Watch until cancelled. Raises what the API says when it gives no first ticket."""
        silence_native_logs()
        self._asked_at_s = monotonic_s()
        self._viewer = Viewer(await self._ticket(), self._ticket, track=self._track, on_frame=self._frame)
        await self._viewer.run()

    def as_json(self) -> dict[str, Any]:
        """Everything that was seen, in the words of `skyriver watch`."""
        latencies_ms = self.arrivals.latencies_ms()
        return {
            "channel_id": self.channel_id,
            "frames": self.arrivals.frames,
            "width": self.width,
            "height": self.height,
            "startup_ms": None if self.startup_ms is None else round(self.startup_ms, 1),
            "latency_ms": {
                "p50": round(percentile(latencies_ms, 50), 1),
                "p99": round(percentile(latencies_ms, 99), 1),
            },
            "latency_of": "received" if self._decoder is None else "decoded",
            "latency_from": "the clock in the picture" if self.reads_clock else "media time",
            "max_gap_ms": round(self.arrivals.max_gap_ms(), 1),
            "decode_errors": self.decode_errors,
            "edges": [{"node_id": edge.node_id, "site": edge.site, "url": edge.url} for edge in self.edges_used],
            "reconnects": max(0, len(self.arrivals.edges) - 1),
        }

    async def _ticket(self) -> Ticket:
        ticket: WatchTicket = await self._sky.watch(self.channel_id, viewer=self._name)
        self._edges |= {edge.url: edge for edge in ticket.edges}
        edges = tuple(Endpoint(edge.url, certificate_hashes(edge.certificate_sha256)) for edge in ticket.edges)
        left_s = (ticket.expires_at - utc_now()).total_seconds()
        return Ticket(ticket.space, ticket.broadcast, ticket.grant, edges, monotonic_s() + left_s * RENEW_AFTER)

    def _frame(self, frame: MediaFrame) -> None:
        """Called by the fabric for each new frame, on the event loop."""
        if self._decoder is None:
            self._seen(frame.pts_us / 1000)
            return
        for picture in self._decoder.decode(frame):
            self.width, self.height = picture.width, picture.height
            self.reads_clock = picture.drawn_at_ms is not None
            self._seen(picture.pts_us / 1000 if picture.drawn_at_ms is None else picture.drawn_at_ms)
        self.decode_errors = self._decoder.errors

    def _seen(self, made_at_ms: float) -> None:
        assert self._viewer is not None
        now_s = monotonic_s()
        if self.startup_ms is None:
            self.startup_ms = (now_s - self._asked_at_s) * 1000
            self._take_size_from_catalog()
            self._on_first_frame()
        age_ms = time.time_ns() / 1e6 - made_at_ms
        self.arrivals.add(now_s, age_ms, self._viewer.viewing.edges[-1])

    def _take_size_from_catalog(self) -> None:
        """Who does not decode believes the catalog."""
        catalog = self._viewer.catalog if self._viewer is not None else None
        if self.width or catalog is None or not catalog.video:
            return
        track = catalog.video.get(self._track or next(iter(catalog.video)))
        if track is not None:
            self.width, self.height = track.width, track.height
