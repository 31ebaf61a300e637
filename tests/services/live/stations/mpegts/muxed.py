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
        picture = _picture_stream(container, video) if video is not None else None
        sound = _sound_stream(container, audio) if audio is not None else None
        if picture is not None:
            for frame in (*(_picture(number) for number in range(FPS * SECONDS)), None):
                container.mux(picture.encode(frame))
        if sound is not None:
            for tone in (*(_tone(number) for number in range(48_000 * SECONDS // 1152)), None):
                container.mux(sound.encode(tone))
    return out.getvalue()


def _picture_stream(container: av.container.OutputContainer, codec: str) -> av.VideoStream:
    quiet = {"x265-params": "log-level=0"} if codec == "libx265" else {}
    stream = container.add_stream(codec, rate=FPS, options={"preset": "ultrafast", "bf": "2"} | quiet)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height = SIZE
    stream.pix_fmt = "yuv420p"
    stream.gop_size = FPS
    return stream


def _sound_stream(container: av.container.OutputContainer, codec: str) -> av.AudioStream:
    stream = container.add_stream(codec, rate=48_000)
    assert isinstance(stream, av.AudioStream)
    stream.layout = "stereo"
    return stream


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
