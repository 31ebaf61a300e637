"""One channel out of the fabric: its catalog, and a ring for each track that is delivered.

All tracks are packaged at once, however many viewers there are and whichever they watch: a player that changes
rendition finds the other one there. The relays keep some seconds of each track, so that the first viewer at an edge
finds whole segments, too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skyriver.fabric import AudioTrack, Catalog, Endpoint, Subscriber, VideoTrack
from skyriver.kernel.clock import MediaClock, monotonic_s
from skyriver.services.live.captions.model import TRACKS_MAX, decode_cues
from skyriver.services.live.cmaf import Part, Segmenter, UnsupportedCodec, segmenter_for
from skyriver.services.live.delivery.captions import CaptionFeed
from skyriver.services.live.delivery.playlists import Rendition, rendition_rates
from skyriver.services.live.delivery.ring import TrackRing, Waiter
from skyriver.services.live.model import BROADCAST

BACK_US = 8_000_000
"""What is asked for of the past: three whole segments, wherever in a slot the reader comes."""
READY_WITHIN_S = 3.0
"""How long all tracks are waited for once the catalog is there: a slot's rest, and the first part of the next."""
MAX_WAITING = 20_000
MAX_TRACKS = 16
ENDED_AFTER_S = 5.0
"""A track that is not offered any more, and brings nothing for so long, has ended."""
ALONE_TICKS = 2
"""The first may fall into the moment of dialling."""
LATE_US = 660_000
"""A part that comes so much later than others did is later than what players hold back."""

log = logging.getLogger(__name__)


@dataclass
class Track:
    """A track that is packaged."""

    description: VideoTrack | AudioTrack
    ring: TrackRing
    segmenter: Segmenter
    reader: asyncio.Task[None] | None = None
    least_lag_us: int | None = None
    late_parts: int = 0
    offered: bool = True
    """Whether the catalog lists it. One that is listed no more may go on for those who play it."""
    heard_at_s: float = 0.0


class ChannelFeed:
    """Follows one channel. `run` it until cancelled; it may be asked from the event loop's thread at any time.

    Args:
        relays: where to get it; the edge's own.
        fallback: relays that are asked as well once there is none of the others.
        grant: a service grant, asked for at each dial.
    """

    def __init__(
        self,
        channel_id: str,
        space: str,
        relays: Sequence[Endpoint],
        grant: Callable[[], str],
        *,
        fallback: Sequence[Endpoint] = (),
        clock: MediaClock | None = None,
    ) -> None:
        self.channel_id = channel_id
        self.space = space
        self.tracks: dict[str, Track] = {}
        self.captions: dict[str, CaptionFeed] = {}
        self.asked_at_s = 0.0
        self._relays = tuple(relays)
        self._fallback = tuple(fallback)
        self._alone_ticks = 0  # in a row, without a relay
        self._subscriber = Subscriber(relays, space, grant, BROADCAST)
        self._clock = clock or MediaClock()
        self._tasks: asyncio.TaskGroup | None = None
        self._waiting: list[Waiter] = []
        self._described_at_s: float | None = None

    # -- asking ----------------------------------------------------------------------------------------------------

    def ring(self, name: str) -> TrackRing | None:
        track = self.tracks.get(name)
        return track.ring if track else None

    @property
    def pace(self) -> TrackRing | None:
        """The ring whose segments captions keep to: of the sound, which is cut at slots, or of a picture."""
        sounds = [track for track in self.tracks.values() if isinstance(track.description, AudioTrack)]
        chosen = next(iter(sounds or self.tracks.values()), None)
        return chosen.ring if chosen is not None and _has_segment(chosen.ring) else None

    def others(self, name: str) -> list[TrackRing]:
        """The rings beside this one, for rendition reports."""
        return [track.ring for other, track in self.tracks.items() if track.offered and other != name]

    @property
    def ready(self) -> bool:
        """Whether playlists can be made: every track has a whole segment, or has had the time to get one."""
        whole = [_has_segment(track.ring) for track in self.tracks.values()]
        if all(whole) or not any(whole) or self._described_at_s is None:
            return bool(whole) and all(whole)
        return asyncio.get_running_loop().time() - self._described_at_s >= READY_WITHIN_S

    def wait(self, waiter: Waiter) -> bool:
        """Be woken when the channel is ready; False when too many wait."""
        if len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting.append(waiter)
        return True

    def forget(self, waiter: Waiter) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    def expire(self, now_s: float) -> None:
        """Once a second: answer whoever has waited too long."""
        self._look_for_relays()
        self._wake_if_ready()
        late = [waiter for waiter in self._waiting if waiter.until_s <= now_s]
        self._waiting = [waiter for waiter in self._waiting if waiter.until_s > now_s]
        for waiter in late:
            waiter.wake(False)
        for name, track in list(self.tracks.items()):
            track.ring.expire(now_s)
            if not track.offered and now_s - track.heard_at_s > ENDED_AFTER_S:
                self._stop(self.tracks.pop(name))

    def renditions(self) -> tuple[list[Rendition], Rendition | None]:
        """(video, audio) that can be played now; video by rising bit rate."""
        videos, audio = [], None
        for name, track in self.tracks.items():
            newest = track.ring.newest
            if not track.offered or newest is None or not _has_segment(track.ring):
                continue
            described, init = track.description, newest.init
            peak_bps, average_bps = rendition_rates(track.ring, described.bitrate_bps or 128_000)
            framerate = described.framerate if isinstance(described, VideoTrack) else None
            rendition = Rendition(
                name,
                init.codec,
                peak_bps,
                average_bps,
                init.width,
                init.height,
                framerate,
                init.channels,
                init.sample_rate_hz,
                init.name,
            )
            if init.video:
                videos.append(rendition)
            else:
                audio = rendition
        return sorted(videos, key=lambda rendition: rendition.peak_bps), audio

    # -- filling ---------------------------------------------------------------------------------------------------

    def follow(self, relays: Sequence[Endpoint], fallback: Sequence[Endpoint] = ()) -> None:
        """The relays have moved."""
        self._relays, self._fallback, self._alone_ticks = tuple(relays), tuple(fallback), 0
        self._subscriber.follow(relays)

    def _look_for_relays(self) -> None:
        """A relay of this edge that died is back in seconds, and its viewers have less than one in hand."""
        if self._subscriber.connections or not self._fallback:
            self._alone_ticks = 0
            return
        self._alone_ticks += 1
        if self._alone_ticks == ALONE_TICKS:
            log.warning("no relay is there; origins are asked", extra={"channel": self.channel_id})
            self._subscriber.follow((*self._relays, *self._fallback))

    async def run(self) -> None:
        """Read until cancelled; whoever still waits then is answered."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._subscriber.run())
                async for catalog in self._subscriber.catalogs():
                    self._take(catalog, tasks)
                    self._take_captions(catalog, tasks)
        finally:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.wake(False)
            for track in self.tracks.values():
                track.ring.close()

    def _take(self, catalog: Catalog, tasks: asyncio.TaskGroup) -> None:
        wanted = delivered_tracks(catalog)
        for name, known in self.tracks.items():
            known.offered = name in wanted
        for name, description in wanted.items():
            track = self.tracks.get(name)
            if track is not None and _same_stream(track.description, description):
                track.description = description
                continue
            try:
                segmenter = segmenter_for(description)
            except UnsupportedCodec as error:
                log.warning("A track is not delivered. %s", error, extra={"track": name, "channel": self.channel_id})
                continue
            back_us, after = BACK_US, -1
            if track is None:
                track = self.tracks[name] = Track(description, TrackRing(name), segmenter)
            else:
                if track.reader is not None:
                    track.reader.cancel()
                track.description, track.segmenter = description, segmenter
                # What is in the relays of the past is described as before, and is in the ring already.
                back_us, after = 0, track.ring.newest.number if track.ring.newest else -1
            track.reader = tasks.create_task(self._read(name, track, segmenter, back_us=back_us, after=after))
        if self.tracks and self._described_at_s is None:
            self._described_at_s = asyncio.get_running_loop().time()

    def _take_captions(self, catalog: Catalog, tasks: asyncio.TaskGroup) -> None:
        wanted = {name: track for name, track in list(catalog.captions.items())[:TRACKS_MAX] if _is_name(name)}
        for name in [name for name in self.captions if name not in wanted]:
            if (reader := self.captions.pop(name).reader) is not None:
                reader.cancel()
        for name, description in wanted.items():
            if (known := self.captions.get(name)) is not None:
                known.description = description
                continue
            feed = self.captions[name] = CaptionFeed(description)
            feed.reader = tasks.create_task(self._read_captions(name, feed))

    async def _read_captions(self, name: str, feed: CaptionFeed) -> None:
        async for frame in self._subscriber.frames(name, back_us=BACK_US):
            feed.add(decode_cues(frame.payload))

    def _stop(self, track: Track) -> None:
        if track.reader is not None:
            track.reader.cancel()
        track.ring.close()

    async def _read(self, name: str, track: Track, segmenter: Segmenter, *, back_us: int, after: int) -> None:
        """Fill a track's ring with what comes of `back_us` ago and later, in segments of numbers above `after`."""
        async for frame in self._subscriber.frames(name, back_us=back_us):
            track.heard_at_s = monotonic_s()
            parts = [part for part in segmenter.push(frame) if part.segment > after]
            for part in parts:
                track.ring.append(part, segmenter.pending if part is parts[-1] else None)
                self._time(track, part)
            if parts and self._waiting:
                self._wake_if_ready()

    def _time(self, track: Track, part: Part) -> None:
        """Count it when it is late against the earliest that parts of this track come. Clocks of machines differ."""
        lag_us = self._clock.now_us() - (part.start_us + part.duration_us)
        least_us = track.least_lag_us
        # What is earliest is forgotten slowly, since clocks drift: a millisecond in five parts, that is, a second.
        track.least_lag_us = lag_us if least_us is None else min(least_us + 200, lag_us)
        track.late_parts += lag_us - track.least_lag_us > LATE_US

    def _wake_if_ready(self) -> None:
        if self._waiting and self.ready:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.wake(True)


def delivered_tracks(catalog: Catalog) -> dict[str, VideoTrack | AudioTrack]:
    """The tracks that are packaged: all video, and one sound, AAC before others, since every player has that."""
    found: dict[str, VideoTrack | AudioTrack] = dict(catalog.video)
    sounds = sorted(catalog.audio.items(), key=lambda item: not item[1].codec.startswith("mp4a"))
    found.update(sounds[:1])
    return {name: found[name] for name in list(found)[:MAX_TRACKS] if _is_name(name)}


def _is_name(name: str) -> bool:
    """Whether a track's name can stand in a path as it is."""
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum()


def _same_stream(before: VideoTrack | AudioTrack, after: VideoTrack | AudioTrack) -> bool:
    """Whether a reader can go on. Video describes itself in its keyframes; sound is described by the catalog alone."""
    if isinstance(before, VideoTrack) and isinstance(after, VideoTrack):
        return before.codec[:4] == after.codec[:4]
    if isinstance(before, AudioTrack) and isinstance(after, AudioTrack):
        return (before.codec, before.description, before.sample_rate_hz, before.channels) == (
            after.codec,
            after.description,
            after.sample_rate_hz,
            after.channels,
        )
    return False


def _has_segment(ring: TrackRing) -> bool:
    return any(segment.complete for segment in ring.segments)
