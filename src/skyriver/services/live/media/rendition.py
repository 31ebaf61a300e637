"""One rung of the ladder: pictures in, H.264 with a keyframe on the first picture of every 2-second slot."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from skyriver.fabric import group_of, slot_of
from skyriver.services.live.media.units import MICROSECONDS, Encoded
from skyriver.services.live.model import Rendition

PRESET = "superfast"
"""Measured on 720p30 -> 360p + 240p: ultrafast 0.08, superfast 0.14, veryfast 0.15 core. Ultrafast has no CABAC and
no deblocking, and needs twice the bits for the same picture."""

CRF = 23
"""Constant quality below the rendition's bitrate, which is the cap: easy pictures cost a fraction of it."""

VBV_S = 0.5
"""The cap holds over this many seconds: a keyframe may burst, the queue it makes in a full link stays below this."""

HD_MIN_LINES = 720
"""Untagged pictures from this size up are BT.709 by convention, smaller ones BT.601 (as browsers assume, too)."""

_UNSPECIFIED = 2
_BT709 = 1
_SMPTE170M = 6


class RenditionEncoder:
    """Scales and encodes one rendition. Not thread-safe; scaling and encoding release the GIL."""

    def __init__(self, rendition: Rendition, *, fps: float = 30.0) -> None:
        self.rendition = rendition
        self._fps = fps
        self._scaler = VideoReformatter()
        self._codec: av.VideoCodecContext | None = None
        self._group = -1
        self._slot = -1
        self._key_asked = False
        self._last_pts_us = -1
        self.not_in_order = 0

    def encode(self, frame: VideoFrame) -> list[Encoded]:
        """The units of one picture, which may be none. A picture that does not move time forward is left out."""
        pts_us = frame.pts
        if pts_us is None or pts_us <= self._last_pts_us:
            self.not_in_order += 1
            return []
        if self._codec is None:
            self._codec = self._open(frame)
        small = self._scaler.reformat(
            frame,
            width=self.rendition.width,
            height=self.rendition.height,
            format="yuv420p",
            interpolation="FAST_BILINEAR",
        )
        # The decoder leaves the source's own picture types in the frame, which x264 would take as orders.
        small.pict_type = PictureType.I if self._key_is_due(pts_us) else PictureType.NONE
        small.pts = pts_us
        small.time_base = MICROSECONDS
        packets = self._codec.encode(small)
        self._last_pts_us = pts_us
        return list(self._encoded(packets))

    def ask_key(self) -> None:
        """Make the next picture a keyframe that opens a group of its own: what comes does not follow from what was."""
        self._key_asked = True

    def flush(self) -> list[Encoded]:
        """What the encoder still holds; nothing with zerolatency, and correct without it."""
        return list(self._encoded(self._codec.encode(None))) if self._codec else []

    def reset(self) -> None:
        """After an encoding error: a new encoder for the next picture, which therefore starts with a keyframe."""
        self._codec = None
        self._scaler = VideoReformatter()

    def _key_is_due(self, pts_us: int) -> bool:
        """At the first picture of a slot; when asked for, as soon as there is a number for it."""
        due = slot_of(pts_us) > self._slot or (self._key_asked and group_of(pts_us) > self._group)
        if due:
            self._slot, self._key_asked = slot_of(pts_us), False
        return due

    def _encoded(self, packets: list[av.Packet[Any]]) -> Iterator[Encoded]:
        for packet in packets:
            pts_us = packet.pts or 0
            if packet.is_keyframe:
                self._group = max(self._group, group_of(pts_us))
            yield Encoded(self.rendition.name, bytes(packet), pts_us, packet.is_keyframe, self._group)

    def _open(self, source: VideoFrame) -> av.VideoCodecContext:
        codec = av.CodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = self.rendition.width, self.rendition.height, "yuv420p"
        codec.time_base = MICROSECONDS
        codec.framerate = Fraction(max(1, round(self._fps)))
        codec.thread_count = 1
        _tag_colours(codec, source)
        cap_bps = self.rendition.bitrate_bps
        # Options go in before opening: copied off an opened codec they would silently lose the tune.
        codec.options = {
            "preset": PRESET,
            "tune": "zerolatency",
            "crf": str(CRF),
            "maxrate": str(cap_bps),
            "bufsize": str(int(cap_bps * VBV_S)),
            "g": "100000",  # keyframes are ours to place: one a slot, and none in between
            "forced-idr": "1",
            "x264-params": "scenecut=0:threads=1",
        }
        return codec


def _tag_colours(codec: av.VideoCodecContext, source: VideoFrame) -> None:
    """Give the rendition the source's colour tags, so that switching renditions does not shift colours.

    Without tags a player guesses from the size: an untagged 1080p source and its 360p rendition would differ.
    """
    guess = _BT709 if source.height >= HD_MIN_LINES else _SMPTE170M
    codec.colorspace = source.colorspace if source.colorspace != _UNSPECIFIED else guess
    codec.color_primaries = source.color_primaries if source.color_primaries != _UNSPECIFIED else guess
    codec.color_trc = source.color_trc if source.color_trc != _UNSPECIFIED else guess
    codec.color_range = 1
