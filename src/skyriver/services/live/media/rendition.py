"""One rung of the ladder: pictures in, H.264 with a keyframe on the first picture of every 2-second slot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import av
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from skyriver.fabric import group_of, slot_of
from skyriver.services.live.media.quality import CRF_DEFAULT, Sample
from skyriver.services.live.media.units import MICROSECONDS, Encoded
from skyriver.services.live.media.video_encoder import open_encoder
from skyriver.services.live.model import Rendition


class RenditionEncoder:
    """Scales and encodes one rendition. Not thread-safe; scaling and encoding release the GIL."""

    def __init__(self, rendition: Rendition, *, fps: float = 30.0) -> None:
        self.rendition = rendition
        self.fps = fps
        self.crf: int | None = CRF_DEFAULT
        """Constant quality below the cap, or None to spend all of it; a new value holds from the next slot on."""
        self.cap_bps = rendition.bitrate_bps
        """The most it may take; a new value holds from the next slot on."""
        self._opened_at: tuple[int | None, int] = (self.crf, self.cap_bps)
        self._scaler = VideoReformatter()
        self._codec: av.VideoCodecContext | None = None
        self._group = -1
        self._slot = -1
        self._key_from_us: int | None = None
        self._last_pts_us = -1
        self._sample: list[tuple[VideoFrame, int]] = []
        self._sample_size = 0

    def encode(self, frame: VideoFrame) -> list[Encoded]:
        """The units of one picture, which may be none. A picture that does not move time forward is left out."""
        pts_us = frame.pts
        if pts_us is None or pts_us <= self._last_pts_us:
            return []
        key_is_due = self._key_is_due(pts_us)
        if self._codec is None or (key_is_due and (self.crf, self.cap_bps) != self._opened_at):
            self._opened_at = self.crf, self.cap_bps
            capped = replace(self.rendition, bitrate_bps=self.cap_bps)
            self._codec = open_encoder(capped, self.fps, crf=self.crf, source=frame)
        small = self._scale(frame)
        # The decoder leaves the source's own picture types in the frame, which x264 would take as orders.
        small.pict_type = PictureType.I if key_is_due else PictureType.NONE
        small.pts = pts_us
        small.time_base = MICROSECONDS
        packets = self._codec.encode(small)
        self._last_pts_us = pts_us
        self._keep(small, pts_us)
        return list(self._encoded(packets))

    def pass_by(self, frame: VideoFrame) -> None:
        """A picture that is not to be encoded, though it may belong to a sample."""
        if frame.pts is not None and len(self._sample) < self._sample_size:
            self._keep(self._scale(frame), frame.pts)

    def rest(self) -> None:
        """Nothing is encoded from here on; what comes later begins with a keyframe."""
        self._codec = None

    def ask_key(self, from_us: int = 0) -> None:
        """Make the first picture at this time, or later, a keyframe that opens a group of its own.

        By time, not by order: pictures that wait to be encoded may still be of what was before.
        """
        self._key_from_us = from_us

    def keep_sample(self, pictures: int) -> None:
        """Keep the next scaled pictures for `take_sample`."""
        self._sample, self._sample_size = [], pictures

    def take_sample(self) -> Sample | None:
        """The pictures that were to be kept, once they are all there."""
        if not self._sample_size or len(self._sample) < self._sample_size:
            return None
        sample, self._sample, self._sample_size = self._sample, [], 0
        pictures, times_us = (picture for picture, _ in sample), (pts_us for _, pts_us in sample)
        return Sample(self.rendition, tuple(pictures), self.fps, times_us=tuple(times_us))

    def flush(self) -> list[Encoded]:
        """What the encoder still holds; nothing with zerolatency, and correct without it."""
        return list(self._encoded(self._codec.encode(None))) if self._codec else []

    def reset(self) -> None:
        """After an encoding error: a new encoder for the next picture, which therefore starts with a keyframe."""
        self._codec = None
        self._scaler = VideoReformatter()

    def _scale(self, frame: VideoFrame) -> VideoFrame:
        return self._scaler.reformat(
            frame,
            width=self.rendition.width,
            height=self.rendition.height,
            format="yuv420p",
            interpolation="FAST_BILINEAR",
        )

    def _keep(self, small: VideoFrame, pts_us: int) -> None:
        if len(self._sample) < self._sample_size:
            self._sample.append((small, pts_us))

    def _key_is_due(self, pts_us: int) -> bool:
        """At the first picture of a slot; when asked for, as soon as there is a number for it."""
        asked = self._key_from_us is not None and pts_us >= self._key_from_us
        due = slot_of(pts_us) > self._slot or (asked and group_of(pts_us) > self._group)
        if due:
            self._slot = slot_of(pts_us)
            self._key_from_us = None if asked else self._key_from_us
        return due

    def _encoded(self, packets: list[av.Packet[Any]]) -> Iterator[Encoded]:
        for packet in packets:
            pts_us = packet.pts or 0
            if packet.is_keyframe:
                self._group = max(self._group, group_of(pts_us))
            yield Encoded(self.rendition.name, bytes(packet), pts_us, packet.is_keyframe, self._group)
