"""Frames of one track -> parts and segments, by media time alone.

Theory of operation
-------------------
Time is divided into slots of 2 s (see `fabric.numbering`). A segment begins with the first keyframe of a slot, bears
the slot's number, and lasts until the first keyframe of a later slot: a rendition of the transcoder, whose keyframes
open the slots, has one segment for every slot; a source that is cut otherwise has longer ones, and leaves numbers out.
Audio is the same with every frame a keyframe.

A part ends where the next one would begin at or after `PART_US` less a tolerance, counted from its own beginning;
30 frames/s make six to a part, AAC at 48 kHz nine. A frame's duration is its distance to the next one, so a part is
complete, and comes out, when the frame after it has come.

Decode times: a fabric track has presentation times in decoding order. The n-th frame of a segment is decoded at the
n-th smallest presentation time of the segment, which is known when as many more frames have come as the stream
reorders (none without B-frames). Less `REORDER_US` for each such frame, so that nothing is shown before it is decoded;
FFmpeg would shift a track with negative composition offsets against the sound.
Audio goes on by its frames' own durations within a segment, because a publisher's time stamps are whole milliseconds;
each segment begins at its first frame's time stamp.

Nothing depends on when the reader began, except for its first segment: a reader that joins in the middle of a slot
cannot know whether its first keyframe is the slot's first. It leaves that slot out, unless told that the track
begins there.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from skyriver.fabric import SLOT_US, TICK_US, AudioTrack, MediaFrame, VideoTrack, slot_of
from skyriver.services.live.cmaf.boxes import Sample, fragment
from skyriver.services.live.cmaf.codecs import Codec, InitSegment, codec_of
from skyriver.services.live.stations.errors import DamagedMedia

PART_US = 200_000
REORDER_US = 50_000
"""A frame's duration at 20 frames/s: at that rate and above no composition offset is negative."""
_TOLERANCE_US = 10_000  # time stamps of whole milliseconds, and frame rates that do not divide 200 ms
_RESYNC_US = 40_000  # audio that is further off than this from where it should be was interrupted


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a segment, about 200 ms: one `moof` and one `mdat`. A segment is its parts, one after the other.

    `segment` is the slot's number, `index` counts within the segment. `start_us` and `duration_us` are media
    time. `independent`: it holds a keyframe. `last`: it ends its segment.
    """

    segment: int
    index: int
    start_us: int
    duration_us: int
    data: bytes
    init: InitSegment
    independent: bool
    last: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame whose decode time is not known yet. Times in the track's timescale."""

    pts: int
    data: bytes
    sync: bool
    duration: int


@dataclass(frozen=True, slots=True)
class _Opening:
    """The segment that the window's first frame opens."""

    segment: int
    init: InitSegment
    ahead: int
    gap: bool


class Segmenter:
    """Makes the parts of one track. `push` its frames in decoding order.

    Args:
        from_first_keyframe: begin with the first keyframe there is, wherever in its slot it stands: for whoever keeps
            everything, and shares no names with others that began elsewhere.
    """

    def __init__(self, codec: Codec, *, from_first_keyframe: bool = False) -> None:
        self.damaged = 0  # frames that could not be read
        self._codec = codec
        self._anywhere = from_first_keyframe
        self._joined_slot: int | None = None
        self._newest_slot = -1  # of all frames taken
        self._opened = -1  # the newest segment that a frame of was taken
        self._init: InitSegment | None = None  # of that segment
        self._interrupted = False
        self._window: list[_Frame] = []
        self._order: list[int] = []  # the window's presentation times, a heap
        self._opening: _Opening | None = None
        self._segment = -1  # the open part's segment, its place in it, and its samples
        self._index = 0
        self._part_init: InitSegment | None = None
        self._ahead = 0
        self._part: list[Sample] = []
        self._held: Sample | None = None  # the newest sample: its duration is not known yet
        self._usual = 0  # the last duration that was known
        self._nominal = 0  # how long the held sample says that it lasts

    @property
    def pending(self) -> tuple[int, int] | None:
        """Segment and index of the part that is being filled; it is sure to come, if frames do."""
        return None if self._held is None else (self._segment, self._index)

    def push(self, frame: MediaFrame) -> list[Part]:
        """Take one frame; the parts that are complete with it, mostly none."""
        try:
            data, sync = self._codec.sample(frame.payload)
        except DamagedMedia:
            self.damaged += 1
            return []
        slot = slot_of(frame.pts_us)
        if self._joined_slot is None:
            self._joined_slot = slot
        parts: list[Part] = []
        init = self._codec.init
        if init is not None and sync and slot > self._opened and self._may_begin(frame.pts_us, slot):
            parts = self._take_window(all_of_it=True)
            gap = self._opened >= 0 and (self._interrupted or slot - self._newest_slot > 1)
            ahead = self._codec.reorder * self._units(REORDER_US)
            self._opening = _Opening(slot, init, ahead, gap)
            self._opened, self._init, self._interrupted = slot, init, False
        elif self._opened < 0 or self._interrupted:
            return parts
        elif sync and init != self._init:  # described anew within a slot whose name is taken: the next slot will do
            return self.flush()
        if data:
            self._newest_slot = max(self._newest_slot, slot)
            pts = self._units(frame.pts_us)
            self._window.append(_Frame(pts, data, sync, self._codec.duration(frame.payload)))
            heapq.heappush(self._order, pts)
            parts += self._take_window()
        return parts

    def flush(self) -> list[Part]:
        """The track has ended or was interrupted: what is left, as the end of its segment. It may go on in a later
        slot."""
        parts = self._take_window(all_of_it=True)
        self._interrupted = self._opened >= 0
        if self._held is not None:
            self._part.append(_lasting(self._held, self._usual or self._units(PART_US) // 6))
            self._held = None
            parts.append(self._close(last=True))
        return parts

    def _may_begin(self, pts_us: int, slot: int) -> bool:
        """Whether this keyframe is known to be the first of its slot. In a slot's first tick it is: a tick has one."""
        return self._anywhere or slot != self._joined_slot or pts_us % SLOT_US < TICK_US

    def _units(self, time_us: int) -> int:
        return (time_us * self._codec.timescale + 500_000) // 1_000_000

    def _microseconds(self, units: int) -> int:
        return units * 1_000_000 // self._codec.timescale

    def _take_window(self, *, all_of_it: bool = False) -> list[Part]:
        """Give decode times to as many frames as have one now."""
        parts: list[Part] = []
        keep = 0 if all_of_it else self._codec.reorder
        while len(self._window) > keep:
            frame = self._window.pop(0)
            opening, self._opening = self._opening, None
            parts += self._place(frame, heapq.heappop(self._order), opening)
        return parts

    def _place(self, frame: _Frame, decode_time: int, opening: _Opening | None) -> list[Part]:
        held, parts = self._held, []
        broken = False
        if held is not None:
            follows = held.decode_time + self._nominal
            if frame.duration and opening is None:
                broken = abs(decode_time - follows) > self._units(_RESYNC_US)
                decode_time = decode_time if broken else follows
            decode_time = max(decode_time, held.decode_time + 1)
            late = broken or (opening is not None and opening.gap)
            self._usual = (self._nominal or self._usual) if late else decode_time - held.decode_time
            self._part.append(_lasting(held, min(self._usual or 1, decode_time - held.decode_time)))
            full = decode_time - self._part[0].decode_time >= self._units(PART_US - _TOLERANCE_US)
            if full or broken or opening is not None:
                parts.append(self._close(last=opening is not None))
        if opening is not None:
            self._segment, self._index = opening.segment, 0
            self._part_init, self._ahead = opening.init, opening.ahead
        composition = 0 if frame.duration else frame.pts - decode_time + self._ahead
        self._held = Sample(frame.data, decode_time, 0, composition, frame.sync)
        self._nominal = frame.duration
        return parts

    def _close(self, *, last: bool) -> Part:
        samples, self._part = self._part, []
        assert self._part_init is not None
        start_us = self._microseconds(samples[0].decode_time)
        end_us = self._microseconds(samples[-1].decode_time + samples[-1].duration)
        part = Part(
            segment=self._segment,
            index=self._index,
            start_us=start_us,
            duration_us=end_us - start_us,
            # Fragments are numbered by time as well, so that they are the same wherever they are made.
            data=fragment(start_us // 1000, samples[0].decode_time - self._ahead, samples),
            init=self._part_init,
            independent=any(sample.sync for sample in samples),
            last=last,
        )
        self._index += 1
        return part


def segmenter_for(track: VideoTrack | AudioTrack, *, from_first_keyframe: bool = False) -> Segmenter:
    """A segmenter for a catalog's track.

    Raises:
        UnsupportedCodec: its codec is not packaged.
    """
    return Segmenter(codec_of(track), from_first_keyframe=from_first_keyframe)


def _lasting(sample: Sample, duration: int) -> Sample:
    return Sample(sample.data, sample.decode_time, duration, sample.composition, sample.sync)
