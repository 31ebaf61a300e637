"""Small media files made on the spot."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

FPS = 25


def write_clip(
    path: Path,
    *,
    seconds: float = 1.0,
    video: str | None = "libx264",
    audio: str | None = "aac",
    width: int = 320,
    height: int = 180,
    b_frames: int = 2,
) -> Path:
    """A moving grey ramp and a tone, in the container that the name says."""
    with av.open(str(path), "w") as output:
        streams: list[Any] = []
        if video is not None:
            picture: Any = output.add_stream(video, rate=FPS)
            picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
            picture.codec_context.max_b_frames = b_frames
            picture.codec_context.gop_size = FPS
            streams.append(picture)
        if audio is not None:
            streams.append(output.add_stream(audio, rate=44_100, layout="mono"))
        for stream in streams:
            for frame in _pictures(seconds, width, height) if stream.type == "video" else _tone(seconds, stream):
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return path


def annexb_pictures(count: int, *, width: int = 320, height: int = 180) -> list[tuple[bytes, bool]]:
    """H.264 access units as the fabric carries them: (Annex B, keyframe), one in, one out."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS)
    context.gop_size = count
    context.options = {"tune": "zerolatency", "preset": "ultrafast"}
    units = []
    for frame in _pictures(count / FPS, width, height):
        units += [(bytes(packet), packet.is_keyframe) for packet in context.encode(frame)]
    return units


def _pictures(seconds: float, width: int, height: int) -> list[av.VideoFrame]:
    ramp = np.add.outer(np.arange(height), np.arange(width))
    frames = []
    for number in range(int(seconds * FPS)):
        grey = ((ramp + number * 5) % 256).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(np.stack([grey] * 3, axis=-1), format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        frames.append(frame)
    return frames


def _tone(seconds: float, stream: Any) -> list[av.AudioFrame]:
    size = stream.codec_context.frame_size or 1152
    format_name = stream.codec_context.format.name
    kind: Any = np.float32 if format_name.startswith("flt") else np.int16
    loudness = 0.2 if kind is np.float32 else 6000
    frames = []
    for start in range(0, int(seconds * 44_100), size):
        wave = np.sin(np.arange(start, start + size) * 2 * np.pi * 440 / 44_100) * loudness
        frame = av.AudioFrame.from_ndarray(wave.astype(kind)[np.newaxis, :], format=format_name, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 44_100, start, Fraction(1, 44_100)
        frames.append(frame)
    return frames
