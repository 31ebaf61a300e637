"""Real H.264 and AAC for tests, encoded here: a bright bar that moves, and a tone or a beep."""

from __future__ import annotations

import array
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.frame import VideoFrame

from skyriver.services.live.media.units import MICROSECONDS, Unit

START_US = 1_700_000_000_000_000
"""A multiple of two seconds: a slot begins here."""


@dataclass(frozen=True)
class Sound:
    """Raw AAC frames and their AudioSpecificConfig."""

    config: bytes
    units: list[Unit]


def luma_frame(width: int, height: int, level: Callable[[int], int]) -> VideoFrame:
    """A grey picture; `level(x)` is the luma of column x."""
    frame = VideoFrame(width, height, "yuv420p")
    luma = memoryview(frame.planes[0])
    stride = frame.planes[0].line_size
    row = bytes(level(x) for x in range(width))
    for y in range(height):
        luma[y * stride : y * stride + width] = row
    for plane in frame.planes[1:]:
        plane.update(bytes([128]) * plane.buffer_size)
    return frame


def video(
    seconds: float,
    *,
    width: int = 640,
    height: int = 360,
    fps: int = 30,
    gop: int = 60,
    bframes: int = 0,
    start_us: int = START_US,
    level: Callable[[int, int], int] | None = None,
) -> list[Unit]:
    """Access units in decoding order. `level(picture, x)` is the luma of a column; the default is a bar that moves."""
    paint = level or (lambda picture, x: 200 if (x + picture * 4) // 40 % 2 else 40)
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base = MICROSECONDS
    codec.framerate = Fraction(fps)
    codec.max_b_frames = bframes
    codec.gop_size = gop
    codec.thread_count = 1
    codec.options = {"preset": "ultrafast", "x264-params": f"scenecut=0:bframes={bframes}:b-adapt=0"}
    units: list[Unit] = []
    for picture in range(round(seconds * fps)):
        frame = luma_frame(width, height, lambda x, n=picture: paint(n, x))  # type: ignore[misc]
        frame.pts = start_us + picture * 1_000_000 // fps
        frame.time_base = MICROSECONDS
        units.extend(_unit(packet) for packet in codec.encode(frame))
    units.extend(_unit(packet) for packet in codec.encode(None))
    return units


def sound(
    seconds: float,
    *,
    rate_hz: int = 44_100,
    layout: str = "stereo",
    start_us: int = START_US,
    sample: Callable[[float], float] = lambda s: 0.2 * math.sin(2 * math.pi * 440 * s),
) -> Sound:
    """Raw AAC; `sample(s)` is the sound at second s, the same in all channels."""
    codec = av.CodecContext.create("aac", "w")
    codec.sample_rate, codec.layout, codec.format = rate_hz, layout, "fltp"
    codec.time_base = Fraction(1, rate_hz)
    codec.open()
    units: list[Unit] = []
    for index in range(int(seconds * rate_hz / 1024)):
        frame = av.AudioFrame("fltp", layout, 1024)
        frame.sample_rate = rate_hz
        frame.pts = index * 1024
        frame.time_base = Fraction(1, rate_hz)
        samples = array.array("f", (sample((index * 1024 + n) / rate_hz) for n in range(1024))).tobytes()
        for plane in frame.planes:
            plane.update(samples)
        units.extend(_aac_unit(packet, start_us) for packet in codec.encode(frame))
    units.extend(_aac_unit(packet, start_us) for packet in codec.encode(None))
    return Sound(bytes(codec.extradata or b""), units)


def decode_video(payloads: list[tuple[int, bytes]]) -> list[VideoFrame]:
    """Pictures of `(pts_us, access unit)` pairs, with a fresh decoder: what a viewer who joins here sees."""
    decoder = av.CodecContext.create("h264", "r")
    frames: list[VideoFrame] = []
    for pts_us, payload in payloads:
        packet = av.Packet(payload)
        packet.pts, packet.time_base = pts_us, MICROSECONDS
        frames.extend(decoder.decode(packet))
    return frames + decoder.decode(None)


def _unit(packet: av.Packet[av.VideoStream]) -> Unit:
    assert packet.pts is not None
    return Unit(bytes(packet), packet.pts, packet.is_keyframe)


def _aac_unit(packet: av.Packet[av.AudioStream], start_us: int) -> Unit:
    assert packet.pts is not None
    return Unit(bytes(packet), start_us + int(packet.pts * packet.time_base * 1_000_000), True)
