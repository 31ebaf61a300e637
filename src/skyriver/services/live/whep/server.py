"""The WHEP endpoint: POST /whep/<channel id> with a watch grant as bearer token; see `webrtc.signalling`.

`?rendition=` names one, or says `lowest`; else the largest below the source is sent. A grant that ends or is revoked
ends its sessions.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from skyriver.fabric import Catalog, Endpoint, VideoTrack
from skyriver.fabric.grants import Denial, Grant, Verifier
from skyriver.kernel.errors import SkyriverError
from skyriver.kernel.ids import is_id
from skyriver.services.live.model import BROADCAST, space_of
from skyriver.services.live.webrtc import sdp
from skyriver.services.live.webrtc.http_port import Request, Response
from skyriver.services.live.webrtc.signalling import Begun, SignallingServer, unauthorised
from skyriver.services.live.whep.feed import OPUS, ChannelFeed, choose_rendition
from skyriver.services.live.whep.limits import Limits
from skyriver.services.live.whep.sending import OutboundStream
from skyriver.services.live.whep.session import WhepSession

PATH = "/whep"
_SWEEP_S = 1.0

log = logging.getLogger(__name__)


class WhepServer(SignallingServer[WhepSession]):
    """Viewers of all channels of one node.

    Args:
        verifier: judges watch grants offline.
        relays: where channels are read.
        grant: the service's own right to read every channel's space.
        on_over: told of each session that has ended, for its usage.
    """

    def __init__(
        self,
        verifier: Verifier,
        relays: tuple[Endpoint, ...],
        grant: Callable[[], str],
        *,
        host: str,
        port: int,
        advertise_host: str = "",
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        on_over: Callable[[WhepSession], None] = lambda session: None,
    ) -> None:
        self.limits = limits or Limits()
        self.verifier = verifier
        self.refused = 0
        self._relays = relays
        self._grant = grant
        self._on_over = on_over
        self._feeds: dict[str, tuple[ChannelFeed, asyncio.Task[None]]] = {}
        self._unwatched_s: dict[str, float] = {}
        self._feed_tasks: asyncio.TaskGroup | None = None
        super().__init__(
            PATH,
            host=host,
            port=port,
            max_offer_bytes=self.limits.max_offer_bytes,
            monotonic=monotonic,
            tls=tls,
            advertise_host=advertise_host,
        )

    @property
    def channels(self) -> int:
        """How many channels are read now."""
        return len(self._feeds)

    def follow(self, relays: tuple[Endpoint, ...]) -> None:
        """The relays have moved; viewers go on."""
        self._relays = relays
        for feed, _ in self._feeds.values():
            feed.move(relays)

    def deny(self, *denials: Denial) -> None:
        """Grants are revoked: their sessions end now."""
        self.verifier.deny(*denials)
        for session in tuple(self.sessions.values()):
            if self.verifier.is_denied(session.grant):
                session.end()

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._feed_tasks = tasks
                tasks.create_task(self._sweep())
                await super().run()
        finally:
            self._feed_tasks = None

    async def begin(self, request: Request, offer: sdp.Offer) -> Begun[WhepSession] | Response:
        channel_id = request.path.removeprefix(PATH).strip("/")
        if not is_id(channel_id, "ch"):
            return Response(404, f"Watch by POST to {PATH}/<channel id>.")
        try:
            grant = self.verifier.verify(request.bearer, space_of(channel_id))
        except SkyriverError as error:
            self.refused += 1
            return unauthorised(error.message) if error.http_status == 401 else Response(403, error.message)
        if not grant.may_get(BROADCAST):
            return Response(403, "This grant is not for watching.")
        if (full := self._full(grant)) is not None:
            return full
        feed = self._feed(channel_id)
        catalog = await feed.described(self.limits.catalog_within_s) if feed is not None else None
        if feed is None or catalog is None:
            return Response(404, "Nobody is on air in this channel now.", {"Retry-After": "5"})
        wanted = next(iter(parse_qs(request.query).get("rendition", [])), "")[:64]
        return self._full(grant) or self._answer_with(feed, catalog, offer, wanted, grant)  # others came meanwhile

    def _full(self, grant: Grant) -> Response | None:
        tenant = _tenant_of(grant)
        theirs = sum(_tenant_of(session.grant) == tenant for session in self.sessions.values())
        if len(self.sessions) < self.limits.max_sessions and theirs < self.limits.max_sessions_per_tenant:
            return None
        self.refused += 1
        return Response(503, "This server has as many WebRTC viewers as it takes.", {"Retry-After": "5"})

    def _answer_with(
        self, feed: ChannelFeed, catalog: Catalog, offer: sdp.Offer, wanted: str, grant: Grant
    ) -> Begun[WhepSession] | Response:
        session = WhepSession(
            self.udp,
            self.context,
            offer,
            grant,
            limits=self.limits,
            monotonic=self.monotonic,
            over=self._ended,
        )
        accepted: list[sdp.Accepted | None] = [None] * len(offer.media)
        rendition = choose_rendition(catalog, wanted)
        for index, section in enumerate(offer.media):
            if section.direction not in ("recvonly", "sendrecv"):
                continue
            if section.kind == "video" and session.video is None and rendition is not None:
                codec = _choose_profile(section, rendition[1])
                if codec is not None:
                    session.video = OutboundStream(codec.payload_type, 90_000)
                    session.stops.append(feed.listen(rendition[0], session.take_video))
                    accepted[index] = _accept(codec, session.video, ("nack", "nack pli"))
            elif section.kind == "audio" and session.audio is None and OPUS in catalog.audio:
                codec = sdp.choose_opus(section)
                if codec is not None:
                    session.audio = OutboundStream(codec.payload_type, 48_000)
                    session.stops.append(feed.listen(OPUS, session.take_audio))
                    accepted[index] = _accept(codec, session.audio, ("nack",))
        if session.video is None and session.audio is None:
            return Response(422, "The offer wants neither H.264 nor Opus, or the channel has none.")
        return Begun(session, accepted)

    def _feed(self, channel_id: str) -> ChannelFeed | None:
        found = self._feeds.get(channel_id)
        if found is not None and not found[1].done():
            self._unwatched_s[channel_id] = self.monotonic()
            return found[0]
        if len(self._feeds) >= self.limits.max_channels or self._feed_tasks is None:
            return None
        feed = ChannelFeed(self._relays, space_of(channel_id), self._grant)
        self._feeds[channel_id] = feed, self._feed_tasks.create_task(self._fill(feed))
        self._unwatched_s[channel_id] = self.monotonic()
        return feed

    async def _fill(self, feed: ChannelFeed) -> None:
        """A channel's feed; whatever goes wrong in it ends there, and its next viewer starts it anew."""
        try:
            await feed.run()
        except Exception:
            log.exception("a channel's WebRTC feed failed", extra={"space": feed.space})

    async def _sweep(self) -> None:
        """Channels that nobody watches any more are not read any more."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            now_s = self.monotonic()
            for channel_id, (feed, task) in list(self._feeds.items()):
                if feed.listeners:
                    self._unwatched_s[channel_id] = now_s
                elif now_s - self._unwatched_s[channel_id] >= self.limits.unwatched_s:
                    task.cancel()
                    del self._feeds[channel_id], self._unwatched_s[channel_id]

    def _ended(self, session: WhepSession) -> None:
        self.sessions.pop(session.session_id, None)
        self._on_over(session)


def _tenant_of(grant: Grant) -> str:
    """The tenant that a grant was made for: it stands in front of the `jti`'s dot, see `platform.fabric_keys`."""
    return grant.jti.partition(".")[0]


def _choose_profile(section: sdp.MediaOffer, track: VideoTrack) -> sdp.Codec | None:
    """The payload type whose H.264 profile is the rendition's; else the client's favourite: most decode more than
    they say."""
    profile = track.codec.partition(".")[2][:2].lower()
    offered = section.preferred("h264", clock_hz=90_000)
    fragmenting = [codec for codec in offered if codec.parameter("packetization-mode") == "1"]
    same = [c for c in fragmenting if (c.parameter("profile-level-id") or "").lower().startswith(profile)]
    return next(iter(same or fragmenting), None)


def _accept(codec: sdp.Codec, stream: OutboundStream, feedback: tuple[str, ...]) -> sdp.Accepted:
    kind = "audio" if codec.name.lower() == "opus" else "video"
    lines = (f"msid:skyriver {kind}", f"ssrc:{stream.ssrc} cname:skyriver")
    return sdp.Accepted(codec, "sendonly", codec.parameters, feedback, lines)
