"""Transport streams as FFmpeg's muxer writes them, made in this process."""

from __future__ import annotations

import io
from fractions import Fraction
from functools import cache

import av
import numpy as np

FPS, SECONDS = 25, 3
SIZE = (320, 180)


@cache
def transport_stream(
    video: str | None = "libx264", audio: str | None = "aac", *, offset_s: float = 0, options: tuple[str, ...] = ()
) -> bytes:
    """`SECONDS` of a moving picture with B-frames and a keyframe a second, and a tone; its times begin at `offset_s`.

    Args:
        options: of the muxer, `name=value`.
    """
    out = io.BytesIO()
    settings = {"output_ts_offset": str(offset_s)} | dict(option.partition("=")[::2] for option in options)
    with av.open(out, "w", format="mpegts", options=settings) as container:
        streams: list[tuple[av.VideoStream | av.AudioStream, int]] = []
        if video is not None:
            quiet = {"x265-params": "log-level=0"} if video == "libx265" else {}
            picture = container.add_stream(video, rate=FPS, options={"preset": "ultrafast", "bf": "2"} | quiet)
            assert isinstance(picture, av.VideoStream)
            picture.width, picture.height = SIZE
            picture.pix_fmt = "yuv420p"
            picture.gop_size = FPS
            streams.append((picture, FPS * SECONDS))
        if audio is not None:
            sound = container.add_stream(audio, rate=48_000)
            assert isinstance(sound, av.AudioStream)
            sound.layout = "stereo"
            streams.append((sound, 48_000 * SECONDS // 1152))
        for stream, count in streams:
            for number in range(count):
                container.mux(stream.encode(_picture(number) if isinstance(stream, av.VideoStream) else _tone(number)))
            container.mux(stream.encode(None))
    return out.getvalue()


def _picture(number: int) -> av.VideoFrame:
    width, height = SIZE
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack(((columns + 4 * number) % 256, (rows + 2 * number) % 256, (rows + columns) % 256), axis=2)
    frame = av.VideoFrame.from_ndarray(pixels.astype(np.uint8), format="rgb24")
    frame.pts, frame.time_base = number, Fraction(1, FPS)
    return frame


def _tone(number: int) -> av.AudioFrame:
    at = np.arange(1152 * number, 1152 * (number + 1))
    wave = (8000 * np.sin(at * 2 * np.pi * 440 / 48_000)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2).reshape(1, -1), format="s16", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 1152 * number, Fraction(1, 48_000)
    return frame
