"""The newest half minute of one track, as it is served; and those who wait for what comes next.

Media sequence numbers count segments without a gap (RFC 8216, section 3); they begin at the first segment's own
number, so that they are the same at every edge for as long as no slot was left out. Segments are named by their own
numbers, which are the same everywhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from skyriver.fabric.numbering import SLOT_US
from skyriver.services.live.cmaf import InitSegment, Part
from skyriver.services.live.delivery.http import Body, media_body

LISTED_SEGMENTS = 12
"""In playlists: 24 s. Delta updates leave out what is older than 12 s, and a player may begin 6 s behind."""
KEPT_SEGMENTS = 18
"""A segment can be had for a while after it has left the playlist (RFC 8216, section 6.2.2)."""
MAX_RING_BYTES = 96 * 1024 * 1024
"""36 s at 20 Mbit/s; a source of more keeps fewer segments."""
MAX_WAITING = 20_000
PART_TARGET_US = 220_000
"""Longer than a part of any usual frame rate, and none of those is below 85 % of it, as LL-HLS wants: 192 to 209 ms."""
HOLE_US = 500_000
"""Where so much is missing between two segments, playlists say so."""
_RECENT_PARTS = 12


@dataclass(slots=True)
class Segment:
    """A segment and its parts so far. `sequence` is its media sequence number, `missing` how many segments playlists
    name before it that do not exist: the hole between the one before and this one."""

    number: int
    sequence: int
    init: InitSegment
    start_us: int
    missing: int = 0
    parts: list[Part] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    duration_us: int = 0
    size_bytes: int = 0
    complete: bool = False
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class PartKey:
    """A part that somebody waits for."""

    segment: int
    index: int


@dataclass(frozen=True, slots=True)
class SegmentKey:
    """A whole segment that somebody waits for."""

    segment: int


@dataclass(frozen=True, slots=True)
class PlaylistKey:
    """A playlist that has this part in it, by media sequence number; `part` None: the whole segment."""

    sequence: int
    part: int | None


Key = PartKey | SegmentKey | PlaylistKey


@dataclass(slots=True, eq=False)
class Waiter:
    """One request that is answered later: by `wake(True)` when there is what it wants, `wake(False)` when in vain."""

    wake: Callable[[bool], None]
    until_s: float


class TrackRing:
    """One track. Belongs to the event loop's thread; nothing here awaits."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.segments: deque[Segment] = deque()
        self.inits: dict[str, Body] = {}
        self.pending: tuple[int, int] | None = None
        self.version = 0  # of what playlists are made of
        self.part_target_us = PART_TARGET_US
        self.longest_us = 0
        self._durations_us: deque[int] = deque(maxlen=_RECENT_PARTS)
        self.size_bytes = 0
        self.part_count = 0
        self.ended = False
        self._waiting: dict[Key, list[Waiter]] = {}
        self._waiting_count = 0

    @property
    def newest(self) -> Segment | None:
        return self.segments[-1] if self.segments else None

    def listed(self) -> list[Segment]:
        """The segments of the playlist, none from before a hole longer than it; the newest may be incomplete."""
        listed = list(self.segments)[-LISTED_SEGMENTS:]
        return listed[max((n for n, segment in enumerate(listed) if segment.missing > LISTED_SEGMENTS), default=0) :]

    def segment(self, number: int) -> Segment | None:
        return next((segment for segment in reversed(self.segments) if segment.number == number), None)

    # -- filling ---------------------------------------------------------------------------------------------------

    def append(self, part: Part, pending: tuple[int, int] | None) -> None:
        """Take a part, and wake whoever waited for it. `pending` names the one that is being filled."""
        segment = self.newest
        if segment is None or segment.complete or segment.number != part.segment:
            segment = self._open(part)
        segment.parts.append(part)
        segment.bodies.append(media_body(part.data, f"{part.segment}.{part.index}", _type(part.init)))
        segment.duration_us += part.duration_us
        segment.size_bytes += len(part.data)
        self.size_bytes += len(part.data)
        self.part_count += 1
        self._fit_part_target(part)
        self.pending = pending
        if part.last:
            self._complete(segment)
        self._bound()
        self.version += 1
        self._wake(segment, part)

    def _fit_part_target(self, part: Part) -> None:
        """Raise the target for a track of less than five pictures a second, not for one that lost some once."""
        self._durations_us.append(part.duration_us)
        third = sorted(self._durations_us)[-3:][0]
        if len(self._durations_us) >= 3 and third > self.part_target_us:
            self.part_target_us = -(-(third + 10_000) // 10_000) * 10_000

    def _open(self, part: Part) -> Segment:
        newest = self.newest
        if newest is not None and not newest.complete:
            self._complete(newest)
        sequence, missing = part.segment, 0
        if newest is not None:
            hole_us = part.start_us - (newest.start_us + newest.duration_us)
            missing = -(-hole_us // SLOT_US) if hole_us >= HOLE_US else 0
            sequence = newest.sequence + 1 + missing
        segment = Segment(part.segment, sequence, part.init, part.start_us, missing)
        self.segments.append(segment)
        if part.init.name not in self.inits:
            self.inits[part.init.name] = media_body(part.init.data, part.init.name, _type(part.init))
        return segment

    def _complete(self, segment: Segment) -> None:
        segment.complete = True
        self.longest_us = max(self.longest_us, segment.duration_us)
        segment.body = media_body([part.data for part in segment.parts], str(segment.number), _type(segment.init))

    def _bound(self) -> None:
        while len(self.segments) > KEPT_SEGMENTS or (self.size_bytes > MAX_RING_BYTES and len(self.segments) > 1):
            gone = self.segments.popleft()
            self.size_bytes -= gone.size_bytes
        used = {segment.init.name for segment in self.segments}
        for name in [name for name in self.inits if name not in used]:
            del self.inits[name]

    # -- waiting ---------------------------------------------------------------------------------------------------

    def has(self, key: Key) -> bool:
        """Whether what the key names is there now."""
        match key:
            case PartKey(number, index):
                segment = self.segment(number)
                return segment is not None and index < len(segment.parts)
            case SegmentKey(number):
                segment = self.segment(number)
                return segment is not None and segment.complete
            case PlaylistKey(sequence, part):
                return self._lists(sequence, part)

    def _lists(self, sequence: int, part: int | None) -> bool:
        newest = self.newest
        if newest is None or sequence > newest.sequence:
            return False
        if sequence < newest.sequence:  # a part beyond its end is the first of the next one, which is there
            return True
        return newest.complete if part is None else part < len(newest.parts)

    def wait(self, key: Key, waiter: Waiter) -> bool:
        """Put a request on the list; False when the list is full."""
        if self._waiting_count >= MAX_WAITING or self.ended:
            return False
        self._waiting.setdefault(key, []).append(waiter)
        self._waiting_count += 1
        return True

    def forget(self, key: Key, waiter: Waiter) -> None:
        """Take a request off the list: its viewer is gone."""
        waiters = self._waiting.get(key)
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
            self._waiting_count -= 1
            if not waiters:
                del self._waiting[key]

    def _wake(self, segment: Segment, part: Part) -> None:
        for key in [key for key in self._waiting if self.has(key) or self._never(key, segment)]:
            found = self.has(key)
            waiters = self._waiting.pop(key)
            self._waiting_count -= len(waiters)
            for waiter in waiters:
                waiter.wake(found)

    def _never(self, key: Key, newest: Segment) -> bool:
        """Whether what the key names will not come any more."""
        match key:
            case PartKey(number):
                return number < newest.number or (number == newest.number and newest.complete)
            case SegmentKey(number):
                return number < newest.number
            case PlaylistKey():
                return False

    def expire(self, now_s: float) -> None:
        """Answer those who have waited too long."""
        for key, waiters in list(self._waiting.items()):
            late = [waiter for waiter in waiters if waiter.until_s <= now_s]
            for waiter in late:
                self.forget(key, waiter)
            for waiter in late:
                waiter.wake(False)

    def close(self) -> None:
        """The track is gone: nobody waits any longer."""
        self.ended = True
        waiting, self._waiting, self._waiting_count = self._waiting, {}, 0
        for waiters in waiting.values():
            for waiter in waiters:
                waiter.wake(False)


def _type(init: InitSegment) -> str:
    return "video/mp4" if init.video else "audio/mp4"
