"""Frames of one track -> whole segments, by media time alone.

A segment begins with the first keyframe of a slot of two seconds and lasts until the first keyframe of a later one, or
until the track is described anew. Every frame of audio is a keyframe. A segment is made when it is complete, with one
`moof` that describes all its samples: a reader that wants to know every sample of a recording (for an MP4 file) reads
the heads only.

Frames come in decoding order. Decode times are the segment's presentation times in order, moved ahead by as much as the
stream reorders, so that no composition offset is negative: FFmpeg's demuxer would shift the whole track by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from skyriver.fabric import AudioTrack, MediaFrame, VideoTrack
from skyriver.fabric.numbering import group_of, slot_of
from skyriver.services.live.cmaf.boxes import Sample, fragment
from skyriver.services.live.cmaf.codecs import Codec, InitSegment, codec_of
from skyriver.services.live.recorder.layout import GAP_MIN_US, Segment, TrackInfo

MAX_SEGMENT_US = 60_000_000
MAX_SEGMENT_BYTES = 64 * 1024 * 1024
"""A source that sends no keyframes is cut off here, and comes in again with its next one."""
_RESYNC_US = 40_000  # audio further off than this was interrupted; closer, it is a publisher's rounding


@dataclass(frozen=True)
class MadeSegment:
    """A finished segment: what the index says of it, its bytes, and its init segment."""

    track: TrackInfo
    info: Segment
    data: bytes
    init: InitSegment


@dataclass
class _Open:
    """A segment that is being filled. `dts` of samples is not known yet: frames wait in decoding order."""

    init: InitSegment
    slot: int
    number: int
    frames: list[tuple[int, bytes, bool, int]] = field(default_factory=list)  # pts_us, sample, sync, own duration
    seen: set[int] = field(default_factory=set)
    size_bytes: int = 0

    @property
    def first_us(self) -> int:
        return self.frames[0][0]

    @property
    def last_us(self) -> int:
        return max(self.seen)


class TrackCutter:
    """Cuts one track. `push` its frames in decoding order; a frame that it has already is left out.

    Attributes:
        after_us: frames before this time are in a finished segment already, and are left out.
    """

    def __init__(self, name: str, track: VideoTrack | AudioTrack, *, after_us: int = 0) -> None:
        self.name = name
        self.track = track
        self.after_us = after_us
        self._codec: Codec = codec_of(track)
        self._video = isinstance(track, VideoTrack)
        self._open: _Open | None = None
        self._usual_us = 0
        self._ahead_us = 0  # never less again: decode times must not go back

    @property
    def number(self) -> int | None:
        """The number of the open segment."""
        return self._open.number if self._open else None

    def push(self, frame: MediaFrame) -> tuple[list[MadeSegment], bool]:
        """Segments that this frame completes, and whether it was taken into the (perhaps new) open one.

        Raises:
            SkyriverError: the frame is damaged; it is left out.
        """
        if frame.pts_us < self.after_us:
            return [], False
        data, sync = self._codec.sample(frame.payload)
        if not data:
            return [], False
        open_ = self._open
        if open_ is not None and frame.pts_us in open_.seen:
            return [], False
        made: list[MadeSegment] = []
        if open_ is None or self._begins(open_, frame, sync):
            made = self._close(frame.pts_us)
            init = self._codec.init
            if not sync or init is None or frame.pts_us < self.after_us:
                return made, False
            self._open = open_ = _Open(init, slot_of(frame.pts_us), group_of(frame.pts_us))
        elif frame.pts_us < open_.first_us:
            return made, False  # of a group that was finished before this one was opened
        open_.frames.append((frame.pts_us, data, sync, self._codec.duration(frame.payload)))
        open_.seen.add(frame.pts_us)
        open_.size_bytes += len(data)
        return made, True

    def flush(self) -> list[MadeSegment]:
        """What is open, as a segment: nothing follows, or not soon."""
        return self._close(None)

    def _begins(self, open_: _Open, frame: MediaFrame, sync: bool) -> bool:
        if open_.size_bytes > MAX_SEGMENT_BYTES or frame.pts_us - open_.first_us > MAX_SEGMENT_US:
            return True
        if not sync or frame.pts_us < open_.last_us:
            return False
        renewed = self._codec.init != open_.init and group_of(frame.pts_us) > open_.number
        return slot_of(frame.pts_us) > open_.slot or renewed

    def _close(self, next_us: int | None) -> list[MadeSegment]:
        open_, self._open = self._open, None
        if open_ is None:
            return []
        samples, end_us = self._audio(open_, next_us) if not self._video else self._pictures(open_, next_us)
        self.after_us = max(self.after_us, end_us if next_us is None else min(end_us, next_us))
        data = fragment(open_.number, samples[0].decode_time, samples)
        head = int.from_bytes(data[:4], "big")
        info = Segment(open_.number, open_.first_us, end_us - open_.first_us, len(data), head, open_.init.name)
        return [MadeSegment(self._info(open_), info, data, open_.init)]

    def _info(self, open_: _Open) -> TrackInfo:
        told = TrackInfo.of(self.name, self.track)
        init = open_.init
        size = {"width": init.width, "height": init.height} if self._video else {}
        return TrackInfo(**{**vars(told), "codec": init.codec, **size})

    def _pictures(self, open_: _Open, next_us: int | None) -> tuple[list[Sample], int]:
        order = sorted(pts_us for pts_us, *_ in open_.frames)
        if len(order) > 1:
            steps = sorted(b - a for a, b in pairwise(order))
            self._usual_us = steps[len(steps) // 2]
        usual_us = self._usual_us or 33_333
        end_us = order[-1] + usual_us
        if next_us is not None and 0 < next_us - order[-1] <= usual_us + GAP_MIN_US:
            end_us = next_us
        ends = [*order[1:], end_us]
        late_us = (dts_us - pts_us for (pts_us, *_), dts_us in zip(open_.frames, order, strict=True))
        self._ahead_us = ahead_us = max(self._ahead_us, *late_us, 0)
        samples = [
            Sample(data, dts_us - ahead_us, stop_us - dts_us, pts_us - dts_us + ahead_us, sync)
            for (pts_us, data, sync, _), dts_us, stop_us in zip(open_.frames, order, ends, strict=True)
        ]
        return samples, end_us

    def _audio(self, open_: _Open, next_us: int | None) -> tuple[list[Sample], int]:
        rate = self._codec.timescale
        at = first = round(open_.first_us * rate / 1_000_000)
        samples: list[Sample] = []
        for pts_us, data, sync, duration in open_.frames:
            begin = round(pts_us * rate / 1_000_000)
            if samples and abs(begin - at) * 1_000_000 > _RESYNC_US * rate and begin > at:
                last = samples[-1]  # a hole: the sound before it lasts until the sound after it
                samples[-1] = Sample(last.data, last.decode_time, begin - last.decode_time, 0, True)
                at = begin
            samples.append(Sample(data, at, duration, 0, sync))
            at += duration
        end_us = open_.first_us + round((at - first) * 1_000_000 / rate)
        if next_us is not None and abs(next_us - end_us) <= _RESYNC_US:
            last = samples[-1]
            stop = round(next_us * rate / 1_000_000)
            samples[-1] = Sample(last.data, last.decode_time, max(1, stop - last.decode_time), 0, True)
            end_us = next_us
        return samples, end_us
