"""Paths and what stands behind them.

    /hls/<grant>/<channel>/index.m3u8                    multivariant playlist
    /hls/<grant>/<channel>/manifest.mpd                  DASH manifest
    /hls/<grant>/<channel>/<track>/index.m3u8            media playlist; _HLS_msn, _HLS_part, _HLS_skip
    /hls/<grant>/<channel>/<track>/init-<hash>.mp4       init segment
    /hls/<grant>/<channel>/<track>/<slot>.m4s            segment
    /hls/<grant>/<channel>/<track>/t<start, µs>.m4s      the same segment, as DASH names it
    /hls/<grant>/<channel>/<track>/<slot>.<part>.m4s     part
    /hls/<grant>/<channel>/captions-<language>/...       playlist and segments (<slot>.vtt) of captions
    /vod/<grant>/<recording>/...                         a recording, see `recorded`
    /health

The grant stands in the path, so that relative URIs carry it and players need to know nothing of it. Paths are
therefore never logged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from skyriver.fabric import SLOT_US, TICK_US
from skyriver.kernel.clock import monotonic_s, utc_now
from skyriver.kernel.errors import SkyriverError
from skyriver.services.live.delivery import captions, manifest, playlists
from skyriver.services.live.delivery.captions import CaptionFeed
from skyriver.services.live.delivery.connection import Connection, Later
from skyriver.services.live.delivery.feed import ChannelFeed
from skyriver.services.live.delivery.http import (
    PREFLIGHT,
    Body,
    Request,
    Response,
    playlist_body,
    refusal,
    respond,
)
from skyriver.services.live.delivery.recorded import RecordedRoutes
from skyriver.services.live.delivery.ring import Key, PartKey, PlaylistKey, SegmentKey, TrackRing, Waiter
from skyriver.services.live.delivery.sessions import MAX_WAITING_PER_SESSION, Session, Sessions

BLOCK_S = 6.0
"""Three target durations: what LL-HLS gives a blocked request (draft-pantos-hls-rfc8216bis, section 6.2.5.2)."""
START_S = 8.0
"""For a channel that nobody watched at this edge so far."""
MAX_AHEAD_SEGMENTS = 2
"""Nobody who follows the playlist asks for more (RFC 8216bis, section 6.2.5.2)."""

_HEALTHY = playlist_body(b"ok\n", "ok", "text/plain; charset=utf-8")
_GONE = refusal(404, "There is no such part, segment or track: it is too old, or the renditions have changed.")
_UNKNOWN = refusal(404, "There is nothing here.")
_NOT_LIVE = refusal(404, "The channel is not live now.", retry_after_s=2)
_LATE = refusal(503, "What was asked for did not come in time.", retry_after_s=1)
_BUSY = refusal(503, "Too many requests wait here.", retry_after_s=1)
_BAD_QUERY = refusal(400, "The playlist's query is malformed, or ahead of the live edge.")

FindFeed = Callable[[str], "ChannelFeed | None"]
"""Channel id -> its feed, which is started if there is none; None when there are too many."""


@dataclass(slots=True)
class _Cached:
    """The playlists of one version of a ring."""

    version: int
    whole: Body
    delta: Body | None = None


class _Blocked:
    """A request that waits in a list."""

    __slots__ = ("_forget", "_session", "waiter")

    def __init__(self, session: Session, wake: Callable[[bool], None], wait_s: float) -> None:
        self._session = session
        session.waiting += 1

        def woken(found: bool) -> None:
            session.waiting -= 1
            wake(found)

        self.waiter = Waiter(woken, monotonic_s() + wait_s)
        self._forget: Callable[[Waiter], None] = lambda waiter: None

    def on(self, forget: Callable[[Waiter], None]) -> _Blocked:
        self._forget = forget
        return self

    def give_up(self) -> None:
        """It was not taken on the list."""
        self._session.waiting -= 1

    def cancel(self) -> None:
        self._session.waiting -= 1
        self._forget(self.waiter)


class Routes:
    """Answers requests. Belongs to the event loop's thread."""

    def __init__(self, sessions: Sessions, find_feed: FindFeed, recorded: RecordedRoutes | None = None) -> None:
        self._sessions = sessions
        self._recorded = recorded
        self._find_feed = find_feed
        # Weak, because a track may go before its channel does, and a ring holds half a minute of it.
        self._playlists: WeakKeyDictionary[TrackRing, _Cached] = WeakKeyDictionary()

    def handle(self, request: Request, connection: Connection) -> Response | Later:
        """The answer, or the promise of one."""
        words = request.path.split("/")
        connection.account = None
        if request.method == "OPTIONS":
            return PREFLIGHT
        if words[1:] == ["health"]:
            return respond(request, _HEALTHY)
        if not 5 <= len(words) <= 6 or words[1] not in ("hls", "vod"):
            return _UNKNOWN
        if words[1] == "vod":
            if self._recorded is None:
                return _UNKNOWN
            return self._recorded.handle(request, connection, words[2], words[3], "/".join(words[4:]))
        try:
            session = self._sessions.enter(words[2], words[3])
        except SkyriverError as error:
            return refusal(error.http_status, f"{error.message} {error.hint}".strip())
        connection.account = session
        feed = self._find_feed(words[3])
        if feed is None:
            return _BUSY
        feed.asked_at_s = session.seen_at_s
        if len(words) == 5:
            return self._channel(request, connection, session, feed, words[4])
        return self._track(request, connection, session, feed, words[4], words[5])

    # -- a channel -------------------------------------------------------------------------------------------------

    def _channel(
        self, request: Request, connection: Connection, session: Session, feed: ChannelFeed, name: str
    ) -> Response | Later:
        if name not in ("index.m3u8", "manifest.mpd"):
            return _UNKNOWN

        def answer() -> Response:
            videos, audio = feed.renditions()
            if not videos and audio is None:
                return _NOT_LIVE
            if name == "index.m3u8":
                lines = [captions.media_line(name, one.description) for name, one in feed.captions.items()]
                text = playlists.multivariant(videos, audio, lines)
                return respond(request, _fresh(text, playlists.CONTENT_TYPE))
            # One whose keyframes open no slots does not change places with the others.
            videos = [video for video in videos if _opens_slots(feed.ring(video.name))] or videos
            now = utc_now()
            rings = {name: track.ring for name, track in feed.tracks.items()}
            since_us = max(_since_us(rings[one.name]) for one in (*videos, audio) if one is not None)
            text = manifest.mpd(videos, audio, rings, now=now, available_s=now.timestamp() - since_us / 1e6)
            return respond(request, _fresh(text, manifest.CONTENT_TYPE))

        return self._when_ready(connection, session, feed, answer)

    def _when_ready(
        self,
        connection: Connection,
        session: Session,
        feed: ChannelFeed,
        answer: Callable[[], Response],
    ) -> Response | Later:
        if feed.ready:
            return answer()
        if session.waiting >= MAX_WAITING_PER_SESSION:
            return _BUSY
        blocked = _Blocked(session, lambda found: connection.answer(answer() if found else _NOT_LIVE), START_S)
        if not feed.wait(blocked.waiter):
            blocked.give_up()
            return _BUSY
        return blocked.on(feed.forget)

    # -- a track ---------------------------------------------------------------------------------------------------

    def _track(
        self, request: Request, connection: Connection, session: Session, feed: ChannelFeed, track: str, name: str
    ) -> Response | Later:
        if track in feed.captions:
            return self._captions(request, connection, session, feed, feed.captions[track], name)
        ring = feed.ring(track)
        if name == "index.m3u8":
            if ring is None or not ring.segments or not feed.ready:

                def answer() -> Response:
                    found = feed.ring(track)
                    return _GONE if found is None or not found.segments else self._playlist(request, feed, found)

                return self._when_ready(connection, session, feed, answer)
            return self._media_playlist(request, connection, session, feed, ring)
        if ring is None:
            return _GONE
        if name.startswith("init-"):
            body = ring.inits.get(name)
            return respond(request, body) if body is not None else _GONE
        return self._media(request, connection, session, ring, name)

    def _media(
        self, request: Request, connection: Connection, session: Session, ring: TrackRing, name: str
    ) -> Response | Later:
        if name.startswith("t") and _is_number(start_us := name[1:].removesuffix(".m4s")):
            at = next((s for s in ring.segments if s.start_us == int(start_us) and s.complete), None)
            return respond(request, at.body) if at is not None and at.body is not None else _GONE
        numbers = name.removesuffix(".m4s").split(".")
        if not name.endswith(".m4s") or len(numbers) > 2 or not all(_is_number(number) for number in numbers):
            return _UNKNOWN
        number = int(numbers[0])
        key: PartKey | SegmentKey = PartKey(number, int(numbers[1])) if len(numbers) == 2 else SegmentKey(number)
        newest = ring.newest
        if newest is not None and newest.init.video:
            session.rendition = ring.name
        if ring.has(key):
            return respond(request, _body_of(ring, key))
        if not _will_come(ring, key):
            return _GONE
        return self._block(
            ring,
            key,
            session,
            lambda found: connection.answer(respond(request, _body_of(ring, key)) if found else _GONE),
        )

    def _media_playlist(
        self, request: Request, connection: Connection, session: Session, feed: ChannelFeed, ring: TrackRing
    ) -> Response | Later:
        asked = _directives(request.query)
        if asked is None:
            return _BAD_QUERY
        sequence, part = asked
        if sequence is None:
            return self._playlist(request, feed, ring)
        newest = ring.segments[-1]
        if sequence > newest.sequence + MAX_AHEAD_SEGMENTS:
            return _BAD_QUERY
        key = PlaylistKey(sequence, part)
        if ring.has(key):
            return self._playlist(request, feed, ring)
        return self._block(
            ring,
            key,
            session,
            lambda found: connection.answer(self._playlist(request, feed, ring) if found else _LATE),
        )

    def _captions(
        self,
        request: Request,
        connection: Connection,
        session: Session,
        feed: ChannelFeed,
        track: CaptionFeed,
        name: str,
    ) -> Response | Later:
        ring = feed.pace
        if ring is None:
            return _LATE
        if name != "index.m3u8":
            number = name.removesuffix(".vtt")
            segment = ring.segment(int(number)) if number != name and _is_number(number) else None
            if segment is None or not segment.complete:
                return _GONE
            text = captions.segment_text(track.cues.values(), segment.start_us, segment.start_us + segment.duration_us)
            return respond(request, _fresh(text, captions.SEGMENT_TYPE))
        asked = _directives(request.query)
        if asked is None or (asked[0] is not None and asked[0] > ring.segments[-1].sequence + MAX_AHEAD_SEGMENTS):
            return _BAD_QUERY

        def answer() -> Response:
            return respond(request, _fresh(captions.media_playlist(ring), playlists.CONTENT_TYPE))

        if asked[0] is None or ring.has(key := PlaylistKey(asked[0], None)):
            return answer()
        return self._block(ring, key, session, lambda found: connection.answer(answer() if found else _LATE))

    def _block(self, ring: TrackRing, key: Key, session: Session, wake: Callable[[bool], None]) -> Response | Later:
        if session.waiting >= MAX_WAITING_PER_SESSION:
            return _BUSY
        blocked = _Blocked(session, wake, BLOCK_S)
        if not ring.wait(key, blocked.waiter):
            blocked.give_up()
            return _BUSY
        return blocked.on(lambda waiter: ring.forget(key, waiter))

    def _playlist(self, request: Request, feed: ChannelFeed, ring: TrackRing) -> Response:
        cached = self._playlists.get(ring)
        if cached is None or cached.version != ring.version:
            text = playlists.media_playlist(ring, feed.others(ring.name))
            cached = _Cached(ring.version, _body(text, ring.version))
            self._playlists[ring] = cached
        if "_HLS_skip=" not in request.query:
            return respond(request, cached.whole)
        if cached.delta is None:
            text = playlists.media_playlist(ring, feed.others(ring.name), skip=True)
            cached.delta = _body(text, ring.version)
        return respond(request, cached.delta)


def _body(text: str, version: int) -> Body:
    return playlist_body(text.encode(), f"{version}-{len(text)}", playlists.CONTENT_TYPE)


def _fresh(text: str, content_type: str) -> Body:
    content = text.encode()
    return playlist_body(content, hashlib.sha256(content).hexdigest()[:16], content_type)


def _body_of(ring: TrackRing, key: PartKey | SegmentKey) -> Body:
    """What `key` names, which is there."""
    segment = ring.segment(key.segment)
    assert segment is not None
    body = segment.bodies[key.index] if isinstance(key, PartKey) else segment.body
    assert body is not None
    return body


def _will_come(ring: TrackRing, key: PartKey | SegmentKey) -> bool:
    """Whether what is not there yet is worth waiting for: the open part or segment, or the next one."""
    newest = ring.newest
    if newest is None or ring.ended:
        return False
    if key.segment == newest.number and not newest.complete:
        return isinstance(key, SegmentKey) or key.index <= len(newest.parts)
    pending = ring.pending[0] if ring.pending is not None else newest.number
    if newest.number < key.segment <= max(pending, newest.number + 1):
        return isinstance(key, SegmentKey) or key.index == 0
    return False


def _since_us(ring: TrackRing) -> int:
    """When the oldest segment of the playlist began; media time."""
    return ring.listed()[0].start_us


def _opens_slots(ring: TrackRing | None) -> bool:
    """Whether the track has a segment for every slot, beginning with it: as DASH's `$Number$` promises."""
    if ring is None:
        return False
    complete = [segment for segment in ring.segments if segment.complete]
    return all(
        segment.start_us - segment.number * SLOT_US < TICK_US and segment.duration_us < SLOT_US + TICK_US
        for segment in complete[-4:]
    )


def _directives(query: str) -> tuple[int | None, int | None] | None:
    """(_HLS_msn, _HLS_part) of a query; None when it is malformed. Other parameters are nothing to us."""
    found: dict[str, int] = {}
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        if name in ("_HLS_msn", "_HLS_part"):
            if not _is_number(value) or name in found:
                return None
            found[name] = int(value)
        elif name == "_HLS_skip" and value not in ("YES", "v2"):
            return None
    if "_HLS_part" in found and "_HLS_msn" not in found:
        return None
    return found.get("_HLS_msn"), found.get("_HLS_part")


def _is_number(text: str) -> bool:
    return 0 < len(text) <= 16 and text.isascii() and text.isdigit()
