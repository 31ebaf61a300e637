"""A publisher's timestamps onto the station's media clock.

Theory of operation
-------------------
A publisher stamps audio and video with one clock of its own: milliseconds, 32 bits, any origin, a crystal that is
wrong by up to 200 ppm, and sometimes nonsense. Downstream wants microseconds of UTC, as read from the station's
`kernel.clock.MediaClock`, that never go backwards within a channel, however often its publisher comes back.

1. *Unwrapping.* A wire time is compared with the last one of its track modulo 2**32, so that the wrap every 49.7 days
   is an ordinary small step.
2. *Mapping.* `media = wire + offset`. Audio and video use the same mapping, so that lips and voice stay together. The
   offset is set by the first frame, which maps to the moment of its arrival.
3. *Drift.* A frame's lag is its arrival minus its media time. Networks only ever delay, so the smallest lag over a
   window is the clocks' difference; jitter does not enter. Beyond a dead band the offset is slewed towards it, at
   1 ms/s at most: five times what a bad crystal needs, and far too slow for anybody to hear.
4. *Falling behind.* When even the smallest lag of a window is above STEP_US (an encoder that is slower than real time,
   a machine that was suspended), slewing cannot help: the offset steps forward once. It never steps back.
5. *Jumps.* Backwards by more than BACKWARD_US, or forwards by more than FORWARD_US where the arrival does not explain
   it (a pause does: then both clocks advanced), means that the encoder's clock was set anew. A new mapping begins: the
   frame maps to its arrival. The other track follows when its own times jump to where the new mapping is, and a track
   that comes back joins the mapping that the other one kept. So one track's nonsense leaves the other alone.
6. *Order.* Each track's DTS is strictly increasing: a frame that would not be is moved to 1 us after its predecessor.
   PTS is DTS plus the composition time (bounded: no real encoder reorders over COMPOSITION_MAX_US), never before DTS.
7. *Continuity.* The high-water mark is the largest time ever given out. A new publication starts after it, also when
   the previous one ran ahead of the clock. Keep the `Timeline` for the channel's life, or hand its mark to the next.

A publisher that sends faster than real time (a file without `-re`) runs ahead: `lead_us` says by how much. Hold back
reading until the lead is small again; TCP then slows the publisher down, and nothing has to be bent here.

Pure: no I/O and no clock of its own; every call takes the arrival in media time.
"""

from __future__ import annotations

from dataclasses import dataclass

FORWARD_US = 2_000_000  # the longest gap taken on trust; beyond it arrival has to agree
BACKWARD_US = 200_000  # jitter of sloppy encoders; a real restart goes back by much more
TRACK_START_US = 10_000_000  # how far a track's first frame may lie from the other track (audio that starts late)
STEP_US = 2_000_000  # beyond this lag viewers are better served by one jump than by half an hour of slewing
COMPOSITION_MAX_US = 5_000_000  # 16 reordered frames, the most H.264 allows, at 3.2 fps
WINDOW_US = 5_000_000  # long enough for some frame to have crossed an idle network
DEAD_BAND_US = 5_000  # below a frame's own jitter there is nothing to correct
SLEW_PPM = 1_000

_WRAP = 1 << 32
_HALF = 1 << 31


@dataclass(frozen=True, slots=True)
class Stamp:
    """Decode and presentation time of a frame, microseconds of media time."""

    dts_us: int
    pts_us: int


class _Mapping:
    """One stretch of an encoder's clock: the offset, and the estimate of its drift."""

    __slots__ = (
        "_current_us",
        "_previous_us",
        "_slewed_at_us",
        "_window_ends_us",
        "corrected_us",
        "last_ms",
        "offset_us",
    )

    def __init__(self, wire_ms: int, media_us: int, now_us: int) -> None:
        self.offset_us = media_us - wire_ms * 1000
        self.last_ms = wire_ms
        self.corrected_us = 0
        self._current_us: int | None = None  # smallest lag of this window
        self._previous_us: int | None = None  # and of the whole window before it
        self._window_ends_us = now_us + WINDOW_US
        self._slewed_at_us = now_us

    def media_us(self, wire_ms: int) -> int:
        return wire_ms * 1000 + self.offset_us

    @property
    def lag_us(self) -> int:
        """Smallest lag of the last full window; 0 until there is one."""
        return self._previous_us or 0

    def observe(self, wire_ms: int, now_us: int) -> None:
        """Learn from one arrival, and follow."""
        self.last_ms = wire_ms
        lag_us = now_us - self.media_us(wire_ms)
        if self._current_us is None or lag_us < self._current_us:
            self._current_us = lag_us
        if now_us >= self._window_ends_us:
            self._previous_us, self._current_us = self._current_us, None
            self._window_ends_us = now_us + WINDOW_US
            if self._previous_us > STEP_US:
                self._shift(self._previous_us)
        elapsed_us, self._slewed_at_us = now_us - self._slewed_at_us, now_us
        if abs(self.lag_us) > DEAD_BAND_US:
            # A window's worth at most, so that a long silence is not made up for in one go.
            most_us = max(0, min(elapsed_us, WINDOW_US)) * SLEW_PPM // 1_000_000
            self._shift(max(-most_us, min(most_us, self.lag_us)))

    def _shift(self, by_us: int) -> None:
        self.offset_us += by_us
        self.corrected_us += by_us
        if self._previous_us is not None:
            self._previous_us -= by_us
        if self._current_us is not None:
            self._current_us -= by_us


class _Track:
    """Where one track stands."""

    __slots__ = ("last_ms", "last_us", "mapping")

    def __init__(self, floor_us: int) -> None:
        self.mapping: _Mapping | None = None
        self.last_ms = 0
        self.last_us = floor_us


class Timeline:
    """A channel's media time. One task uses it.

    Args:
        high_water_us: the mark of an earlier timeline of this channel, where there was one (a station that restarts).
    """

    def __init__(self, *, high_water_us: int = 0) -> None:
        self._high_water_us = high_water_us
        self._jumps = 0
        self.begin()

    def begin(self) -> None:
        """A publisher came (back): its clock is a new one, and its frames come after everything before them."""
        self._mapping: _Mapping | None = None
        self._video = _Track(self._high_water_us)
        self._audio = _Track(self._high_water_us)

    def video(self, dts_ms: int, pts_ms: int, now_us: int) -> Stamp:
        """Times of a video frame, from its wire times and its arrival."""
        media_us = self._map(self._video, dts_ms, now_us)
        dts_us = self._in_order(self._video, media_us)
        composition_us = min(max(pts_ms - dts_ms, 0) * 1000, COMPOSITION_MAX_US)
        pts_us = max(media_us + composition_us, dts_us)
        self._high_water_us = max(self._high_water_us, pts_us)
        return Stamp(dts_us, pts_us)

    def audio(self, pts_ms: int, now_us: int) -> int:
        """Time of an audio frame, microseconds."""
        return self._in_order(self._audio, self._map(self._audio, pts_ms, now_us))

    @property
    def high_water_us(self) -> int:
        """The largest time given out so far."""
        return self._high_water_us

    @property
    def jumps(self) -> int:
        """How often the publishers' clocks were found to be set anew."""
        return self._jumps

    @property
    def drift_us(self) -> int:
        """How much the present mapping was corrected since it began; positive: the encoder's clock is slow."""
        return self._mapping.corrected_us if self._mapping else 0

    def lead_us(self, now_us: int) -> int:
        """How far the newest decode time lies ahead of the clock; negative when it lies behind."""
        return max(self._video.last_us, self._audio.last_us) - now_us

    def _in_order(self, track: _Track, media_us: int) -> int:
        track.last_us = max(media_us, track.last_us + 1)
        self._high_water_us = max(self._high_water_us, track.last_us)
        return track.last_us

    def _map(self, track: _Track, wire_ms: int, now_us: int) -> int:
        mapping, unwrapped_ms = self._find(track, wire_ms, now_us)
        track.mapping = mapping
        track.last_ms = unwrapped_ms
        mapping.observe(unwrapped_ms, now_us)
        return mapping.media_us(unwrapped_ms)

    def _find(self, track: _Track, wire_ms: int, now_us: int) -> tuple[_Mapping, int]:
        """The mapping this frame belongs to, and its unwrapped wire time."""
        own = track.mapping
        if own is not None:
            unwrapped_ms = _unwrap(wire_ms, track.last_ms)
            if _continues((unwrapped_ms - track.last_ms) * 1000, own.media_us(unwrapped_ms) - now_us):
                return own, unwrapped_ms
        for other in (self._mapping, self._video.mapping, self._audio.mapping):
            if other is not None and other is not own:
                unwrapped_ms = _unwrap(wire_ms, other.last_ms)
                if abs(unwrapped_ms - other.last_ms) * 1000 <= TRACK_START_US:
                    self._mapping = other
                    return other, unwrapped_ms
        self._jumps += own is not None
        # The mark keeps order also where a publisher was ahead of the clock.
        start_us = max(now_us, self._high_water_us + 1)
        self._mapping = _Mapping(wire_ms, start_us, now_us)
        return self._mapping, wire_ms


def _unwrap(wire_ms: int, near_ms: int) -> int:
    """The time congruent to `wire_ms` modulo 2**32 that is nearest to `near_ms`."""
    return near_ms + (wire_ms - near_ms + _HALF) % _WRAP - _HALF


def _continues(step_us: int, ahead_us: int) -> bool:
    """Whether a step on one track is no jump; `ahead_us` is how far it would lead the clock."""
    return step_us >= -BACKWARD_US and (step_us <= FORWARD_US or ahead_us <= FORWARD_US)
