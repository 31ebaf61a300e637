"""Opening an H.264 encoder for live pictures: x264, or a GPU's encoder where the machine has one that works.

Both are told the same: no reordering, keyframes where we place them and nowhere else, constant quality below a cap.
"""

from __future__ import annotations

import functools
import logging
from fractions import Fraction

import av
from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame

from skyriver.services.live.media.units import MICROSECONDS
from skyriver.services.live.model import Rendition

PRESET = "superfast"
"""Measured on 720p30 -> 360p + 240p: ultrafast 0.08, superfast 0.14, veryfast 0.15 core. Ultrafast has no CABAC and
no deblocking, and needs twice the bits for the same picture."""

X264_PARAMS = "scenecut=0:threads=1:stitchable=1"
"""`stitchable`: parameter sets do not follow from the quality. Else the PPS has the CRF for its initial QP, and what a
standby with another CRF adds to a group is decoded that many steps off: no picture until the next slot."""

VBV_S = 0.5
"""The cap holds over this many seconds: a keyframe may burst, the queue it makes in a full link stays below this."""

HD_MIN_LINES = 720
"""Untagged pictures from this size up are BT.709 by convention, smaller ones BT.601 (as browsers assume, too)."""

NVENC = "h264_nvenc"
GPU_ENCODERS = (NVENC,)  # of those in PyAV's wheel, the ones that take pictures from memory

_UNSPECIFIED = 2
_BT709 = 1
_SMPTE170M = 6

log = logging.getLogger(__name__)


@functools.cache
def gpu_encoder() -> str | None:
    """The GPU's encoder of this machine, if there is one and it has encoded a picture; asked once a process."""
    for name in GPU_ENCODERS:
        if name not in av.codecs_available:
            continue
        try:
            codec = _context(name, Rendition("trial", 320, 180, 500_000), 30.0, None)
            codec.options = _nvenc_options(23, 500_000)
            picture = VideoFrame(320, 180, "yuv420p")
            picture.pts, picture.time_base, picture.pict_type = 0, MICROSECONDS, PictureType.I
            if codec.encode(picture) + codec.encode(None):
                log.info("pictures are encoded by the GPU", extra={"encoder": name})
                return name
        except (FFmpegError, ValueError):
            continue  # no such device, no driver, or no free session
    return None


def open_encoder(rendition: Rendition, fps: float, *, crf: int | None, source: VideoFrame) -> av.VideoCodecContext:
    """The encoder of a live rendition: by the GPU, where there is one, else by x264. See `open_x264`."""
    name = gpu_encoder()
    if name is None:
        return open_x264(rendition, fps, crf=crf, cap_bps=rendition.bitrate_bps, source=source)
    codec = _context(name, rendition, fps, source)
    if crf is None:
        codec.bit_rate = rendition.bitrate_bps
    codec.options = _nvenc_options(crf, rendition.bitrate_bps)
    return codec


def open_x264(
    rendition: Rendition, fps: float, *, crf: int | None, cap_bps: int | None, source: VideoFrame | None = None
) -> av.VideoCodecContext:
    """x264 with a quality, a cap, or both.

    Args:
        crf: constant quality; None spends the whole of `cap_bps` instead.
        cap_bps: never more than this, over `VBV_S`; None for no limit.
        source: a picture whose colour tags are taken over.
    """
    codec = _context("libx264", rendition, fps, source)
    # Options go in before opening: copied off an opened codec they would silently lose the tune.
    options = {
        "preset": PRESET,
        "tune": "zerolatency",
        "g": "100000",  # keyframes are ours to place: one a slot, and none in between
        "forced-idr": "1",
        "x264-params": X264_PARAMS,
    }
    if crf is not None:
        options["crf"] = str(crf)
    elif cap_bps is not None:
        codec.bit_rate = cap_bps
    if cap_bps is not None:
        options |= {"maxrate": str(cap_bps), "bufsize": str(int(cap_bps * VBV_S))}
    codec.options = options
    return codec


def _nvenc_options(crf: int | None, cap_bps: int) -> dict[str, str]:
    quality = {} if crf is None else {"cq": str(crf)}
    return quality | {
        "preset": "p4",
        "tune": "ull",
        "rc": "vbr",
        "maxrate": str(cap_bps),
        "bufsize": str(int(cap_bps * VBV_S)),
        "g": "100000",
        "bf": "0",
        "delay": "0",
        "zerolatency": "1",
        "forced-idr": "1",
    }


def _context(name: str, rendition: Rendition, fps: float, source: VideoFrame | None) -> av.VideoCodecContext:
    codec = av.CodecContext.create(name, "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = rendition.width, rendition.height, "yuv420p"
    codec.time_base = MICROSECONDS
    codec.framerate = Fraction(max(1, round(fps)))
    codec.thread_count = 1
    if source is not None:
        _tag_colours(codec, source)
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
