"""A headless viewer: the player's fail-over rules, and exact measurements of what a viewer would have seen.

Theory of operation. A ticket ranks edges. The viewer plays from one and keeps a WARM session, connected but
subscribed to nothing, on the next. When no frame has come for `STALL_AFTER_S` while playing, it subscribes on the warm
session (a round trip, not a handshake) and makes the one after that warm. Frames it has seen are dropped by group and
PTS, so the picture goes on where it stopped. The stalled edge is tried again last. When every edge has failed it asks
for a new ticket. A broadcast that pauses stalls all edges alike, so after one whole round it waits on the best edge
instead of wandering.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from skyriver.fabric import hang, moq
from skyriver.fabric.liveness import POLL_S, Liveness, Verdict
from skyriver.fabric.subscriber import MediaFrame, Once, read_groups
from skyriver.fabric.uplink import Poke
from skyriver.kernel.clock import Monotonic, monotonic_s
from skyriver.kernel.errors import InvalidInput, NotReady

log = logging.getLogger(__name__)

STALL_AFTER_S = 0.25
FIRST_FRAME_S = 2.0  # at the start, and once every edge has stalled: then the broadcast itself has paused
WARM_POKE_AFTER_S, WARM_DEAD_AFTER_S = 1.0, 1.6
_RETRY_S = 0.2
_NO_STANDBY_RETRY_S = 2.0
MAX_EDGES_REMEMBERED = 1000
_FOREVER_S = 1e9


@dataclass(frozen=True)
class Ticket:
    """A grant and the edges it may be used at, best first.

    `renew_at_s`: the monotonic time after which a new one should be asked for, well before relays end its sessions.
    """

    space: str
    path: str
    grant: str
    edges: tuple[moq.Endpoint, ...]
    renew_at_s: float | None = None

    def others(self, endpoint: moq.Endpoint | None) -> tuple[moq.Endpoint, ...]:
        """Every other edge in the order in which to try them after `endpoint` has failed."""
        if endpoint not in self.edges:
            return self.edges
        at = self.edges.index(endpoint)
        return self.edges[at + 1 :] + self.edges[:at]


@dataclass
class Viewing:
    """What was seen so far. Times are monotonic seconds; gaps are between deliveries of consecutive new frames."""

    started_at_s: float
    first_frame_at_s: float | None = None
    last_frame_at_s: float | None = None
    frames: int = 0
    bytes_received: int = 0
    max_gap_s: float = 0.0
    switches: int = 0
    edges: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_EDGES_REMEMBERED))

    @property
    def startup_s(self) -> float | None:
        """From the call to the first frame."""
        return None if self.first_frame_at_s is None else self.first_frame_at_s - self.started_at_s

    def frame(self, size_bytes: int, now_s: float) -> None:
        """Count one new frame."""
        if self.last_frame_at_s is not None:
            self.max_gap_s = max(self.max_gap_s, now_s - self.last_frame_at_s)
        self.first_frame_at_s = self.first_frame_at_s or now_s
        self.last_frame_at_s = now_s
        self.frames += 1
        self.bytes_received += size_bytes


class _EdgeSession:
    """One connection to one edge."""

    def __init__(self, ticket: Ticket, endpoint: moq.Endpoint) -> None:
        self.endpoint = endpoint
        self.offers = False
        self.origin = moq.new_origin()
        offered = moq.new_origin()
        self._poke = Poke(offered)
        self._dial = moq.connect(self.endpoint, ticket.space, ticket.grant, publish=offered, subscribe=self.origin)
        self._stack = AsyncExitStack()
        self._session: moq.Session | None = None

    async def open(self) -> bool:
        """Connect; whether it worked."""
        try:
            self._session = await self._stack.enter_async_context(self._dial)
        except (moq.Error, TimeoutError):
            await self._stack.aclose()
        return self._session is not None

    async def closed(self) -> None:
        """Wait until the connection ends, for whatever reason."""
        assert self._session is not None
        with suppress(moq.Error):
            await self._session.closed()

    async def until_dead(self, path: str) -> None:
        """Wait until a session that carries nothing is dead, by poking it: a zombie kept warm is worse than none.

        Meanwhile `offers` becomes true when the edge offers `path`: one that nobody watched has to find it first.
        """
        assert self._session is not None
        found = asyncio.ensure_future(self.origin.consume().announced_broadcast(path))
        found.add_done_callback(self._found)
        liveness = Liveness(heard_at_s=monotonic_s(), dead_after_s=WARM_DEAD_AFTER_S, poke_after_s=WARM_POKE_AFTER_S)
        closed = asyncio.ensure_future(self.closed())
        try:
            while not closed.done():
                await asyncio.wait({closed}, timeout=POLL_S)
                verdict = liveness.look(self._session.stats().packets_received, monotonic_s())
                if verdict is Verdict.DEAD:
                    return
                if verdict is Verdict.POKE:
                    self._poke.send()
        finally:
            closed.cancel()
            found.cancel()

    def _found(self, found: asyncio.Future[Any]) -> None:
        self.offers = not found.cancelled() and found.exception() is None

    async def close(self) -> None:
        await self._stack.aclose()


class Viewer:
    """Watches one video track of a broadcast. `run` until cancelled; frames go to `on_frame` as they arrive.

    Args:
        ticket: where to begin. refresh: asks for a new ticket, when it is due or every edge has failed.
        track: the video track's name; `None` takes the catalog's first.
        on_frame: called with each new frame, on the event loop; it must be quick.
    """

    def __init__(
        self,
        ticket: Ticket,
        refresh: Callable[[], Awaitable[Ticket]],
        *,
        track: str | None = None,
        on_frame: Callable[[MediaFrame], None] = lambda frame: None,
        stall_after_s: float = STALL_AFTER_S,
        now: Monotonic = monotonic_s,
    ) -> None:
        if not ticket.edges:
            raise NotReady("No edge can take this viewer at present.", hint="Try again in a few seconds.")
        self.viewing = Viewing(started_at_s=now())
        self.catalog: hang.Catalog | None = None
        self._ticket = ticket
        self._refresh = refresh
        self._track = track
        self._on_frame = on_frame
        self._stall_after_s = stall_after_s
        self._now = now
        self._once = Once()
        self._warm: _EdgeSession | None = None
        self._warming: asyncio.Future[None] | None = None
        self._leaving: set[asyncio.Future[None]] = set()

    @property
    def standby_ready(self) -> bool:
        """Whether a session to another edge, which offers the broadcast, could take over now; never with one edge."""
        return self._warm is not None and self._warm.offers

    async def run(self) -> None:
        """Watch until cancelled."""
        stalls_in_a_row = 0
        session = await self._open_next(None)
        try:
            while True:
                self._keep_warm(session.endpoint)
                frames_before = self.viewing.frames
                paused = stalls_in_a_row >= max(2, len(self._ticket.edges))
                begins = frames_before == 0 or paused
                self.viewing.edges.append(session.endpoint.url)
                moved = await self._play(session, first_s=FIRST_FRAME_S if begins else self._stall_after_s)
                stalls_in_a_row = stalls_in_a_row + 1 if self.viewing.frames == frames_before else 1
                left, session = session, moved or self._take_warm() or await self._open_next(session.endpoint)
                self.viewing.switches += moved is None
                self._leave(left)
        finally:
            self._drop_warm()
            await session.close()
            await asyncio.gather(*self._leaving, return_exceptions=True)

    # -- edges -----------------------------------------------------------------------------------------------------

    async def _open_next(self, failed: moq.Endpoint | None) -> _EdgeSession:
        """The first edge after `failed` that answers; asks for a new ticket after each whole round without one."""
        while True:
            last = (failed,) if failed in self._ticket.edges else ()
            for endpoint in (*self._ticket.others(failed), *last):
                opened = _EdgeSession(self._ticket, endpoint)
                if await opened.open():
                    return opened
            await self._renew()

    def _keep_warm(self, playing: moq.Endpoint) -> None:
        self._drop_warm()
        self._warming = asyncio.ensure_future(self._warm_up(playing))

    async def _warm_up(self, playing: moq.Endpoint) -> None:
        """Hold a connected session on another edge than the one `playing`, for ever."""
        while True:
            for endpoint in self._ticket.others(playing):
                opened = _EdgeSession(self._ticket, endpoint)
                try:
                    if await opened.open():
                        self._warm = opened
                        await opened.until_dead(self._ticket.path)
                finally:
                    if self._warm is opened:
                        self._warm = None
                        await opened.close()
            await asyncio.sleep(_NO_STANDBY_RETRY_S * random.uniform(0.5, 1.5))
            await self._renew()  # the cloud may have other edges by now

    async def _moved(self, playing: moq.Endpoint) -> _EdgeSession:
        """Waits until the ticket is due, and returns a session on the same edge under the next one."""
        while True:
            due_s = self._ticket.renew_at_s
            await asyncio.sleep(_FOREVER_S if due_s is None else max(0.0, due_s - self._now()))
            if await self._renew():
                opened = _EdgeSession(self._ticket, playing)
                if playing in self._ticket.edges and await opened.open():
                    return opened
            await asyncio.sleep(_NO_STANDBY_RETRY_S * random.uniform(0.5, 1.5))

    def _take_warm(self) -> _EdgeSession | None:
        warm, self._warm = self._warm, None
        self._drop_warm()
        return warm

    def _drop_warm(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
            self._await_later(self._warming)
            self._warming = None

    def _leave(self, session: _EdgeSession) -> None:
        """Close a session without waiting for it: the picture is elsewhere already."""
        self._await_later(asyncio.ensure_future(session.close()))

    def _await_later(self, task: asyncio.Future[None]) -> None:
        """Hold on to what is ending; `run` waits for it at its own end."""
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _renew(self) -> bool:
        """Take a new ticket; whether there was one."""
        await asyncio.sleep(_RETRY_S * random.uniform(0.5, 1.5))  # many viewers lose the same edges at once
        try:
            ticket = await self._refresh()
        except Exception as error:  # whatever the API's trouble is: the old ticket may still serve
            log.info("a new ticket could not be had; using the old one", extra={"reason": repr(error)})
            await asyncio.sleep(_RETRY_S)
            return False
        if ticket.edges:
            self._ticket = ticket
        return bool(ticket.edges)

    # -- frames ----------------------------------------------------------------------------------------------------

    async def _play(self, session: _EdgeSession, *, first_s: float) -> _EdgeSession | None:
        """Deliver frames from `session` until nothing new has come for too long, or it ends.

        The first frame has `first_s`; every later one `stall_after_s`. Returns a session to go on with at once, if it
        was a new ticket that ended this one.
        """
        heard_at_s, frames_before = self._now(), self.viewing.frames
        limit_s = max(first_s, self._stall_after_s)

        def heard() -> None:
            nonlocal heard_at_s, limit_s
            heard_at_s, limit_s = self._now(), self._stall_after_s

        reading = asyncio.ensure_future(self._read(session, heard))
        closed = asyncio.ensure_future(session.closed())
        moved = asyncio.ensure_future(self._moved(session.endpoint))
        waits: set[asyncio.Future[Any]] = {reading, closed, moved}
        try:
            while True:
                left_s = heard_at_s + limit_s - self._now()
                if left_s <= 0:
                    return None
                # The first frame may have more time; a stall right after it is noticed as fast as any other.
                wait_s = min(left_s, self._stall_after_s)
                done, _ = await asyncio.wait(waits, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                if moved in done:
                    return moved.result()
                if reading in done:
                    if self.viewing.frames == frames_before:
                        self.catalog = None  # it may have named a track that is no more
                    with suppress(moq.Error, NotReady):
                        reading.result()  # anything else is no matter of this edge
                if done:
                    return None
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _read(self, session: _EdgeSession, heard: Callable[[], None]) -> None:
        announced = session.origin.consume()
        if self.catalog is None:
            self.catalog = await self._read_catalog(await announced.announced_broadcast(self._ticket.path))
        track = self._track or next(iter(self.catalog.video), None)
        if track is None:
            raise InvalidInput("The broadcast has no video track.")
        # Resolved anew: what the catalog came from is of no more use once the route to the broadcast has changed.
        broadcast = await announced.announced_broadcast(self._ticket.path)
        open_group = -1
        async for group, frame in read_groups(await moq.subscribe_live(broadcast, track)):
            pts_us, payload = hang.decode_frame(frame.payload)
            if group < open_group or not payload or not self._once.first_time(group, pts_us):
                continue
            keyframe, open_group = group > open_group, group
            heard()
            self.viewing.frame(len(frame.payload), self._now())
            self._on_frame(MediaFrame(bytes(payload), pts_us, keyframe, group))

    async def _read_catalog(self, broadcast: moq.BroadcastConsumer) -> hang.Catalog:
        subscription = await moq.subscribe_live(broadcast, hang.CATALOG_TRACK, priority=100)
        async for _, frame in read_groups(subscription):
            return hang.Catalog.from_json(frame.payload)
        raise NotReady("The broadcast ended before its catalog came.")
