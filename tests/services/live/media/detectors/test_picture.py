"""Black and frozen pictures, on real pictures that went through a real encoder and decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from skyriver.services.live.media.detectors.picture import (
    SAMPLE_EVERY_US,
    PictureSampler,
    StillPicture,
    is_black,
)
from skyriver.services.live.media.detectors.settings import DetectorSettings

FPS = 20
SETTINGS = DetectorSettings()
Draw = Callable[[int], NDArray[np.uint8]]


def encoded(draw: Draw, seconds: int, *, width: int = 640, height: int = 360, crf: int = 28) -> Iterator[VideoFrame]:
    """Pictures as a viewer of a publisher gets them: drawn, encoded by x264, decoded; stamped in microseconds."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.options = {"preset": "ultrafast", "crf": str(crf), "g": "40", "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    for number in range(seconds * FPS):
        frame = VideoFrame.from_ndarray(draw(number), "rgb24")
        frame.pts = number
        for packet in encoder.encode(frame):
            for picture in decoder.decode(packet):
                picture.pts = round(number * 1e6 / FPS)
                yield picture


def seen(frames: Iterator[VideoFrame], settings: DetectorSettings = SETTINGS) -> list[tuple[bool, bool]]:
    """(black, frozen) of each sample."""
    sampler, still = PictureSampler(), StillPicture()
    found = []
    for frame in frames:
        luma = sampler.sample(frame)
        if luma is not None:
            found.append((is_black(luma, settings), still.look(luma, frame.pts or 0, settings)))
    return found


def canvas(level: int) -> NDArray[np.uint8]:
    return np.full((360, 640, 3), level, np.uint8)


@cache
def scenery(seed: int = 1) -> NDArray[np.uint8]:
    """A picture with detail of every size."""
    rows, columns = np.mgrid[0:360, 0:640]
    base = 128 + 60 * np.sin(rows / 17) + 50 * np.cos(columns / 29)
    noise = np.random.default_rng(seed).integers(-12, 12, (360, 640))
    return np.repeat(np.clip(base + noise, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def moving(number: int) -> NDArray[np.uint8]:
    return np.roll(scenery(), number * 3, axis=1)


def test_a_black_picture_is_black_even_with_a_small_logo_and_a_dark_one_is_not() -> None:
    def logo(number: int) -> NDArray[np.uint8]:
        picture = canvas(0)
        picture[20:40, 580:620] = 255  # 0.3 % of the picture
        return picture

    assert all(black for black, _ in seen(encoded(lambda _n: canvas(0), 2)))
    assert all(black for black, _ in seen(encoded(logo, 2)))
    assert not any(black for black, _ in seen(encoded(lambda _n: scenery() // 2, 2)))
    assert not any(black for black, _ in seen(encoded(lambda _n: canvas(60), 2)))


def test_a_frozen_picture_is_frozen_after_two_seconds_in_spite_of_keyframes_that_pulse() -> None:
    found = [frozen for _, frozen in seen(encoded(lambda _n: scenery(), 6, crf=35))]
    assert not any(found[:8]) and all(found[9:])


def test_what_moves_a_little_is_not_frozen() -> None:
    def clock(number: int) -> NDArray[np.uint8]:
        picture = scenery().copy()
        picture[20:36, 20:32] = 255 if number // FPS % 2 else 0  # a digit that changes once a second
        return picture

    def drifting(number: int) -> NDArray[np.uint8]:
        return np.clip(scenery().astype(np.int16) - number // 4, 0, 255).astype(np.uint8)  # a slow fade

    for draw in (moving, clock, drifting):
        assert not any(frozen for _, frozen in seen(encoded(draw, 6))), draw.__name__


def test_movement_after_a_freeze_ends_it_at_once() -> None:
    found = [f for _, f in seen(encoded(lambda n: scenery() if n < 4 * FPS else moving(n), 6))]
    assert found[14] and not any(found[17:])


def test_samples_are_taken_by_media_time_and_a_jump_back_starts_anew() -> None:
    sampler = PictureSampler()
    frame = VideoFrame(64, 48, "yuv420p")
    taken = []
    for pts_us in (0, 40_000, SAMPLE_EVERY_US, SAMPLE_EVERY_US + 1, 10_000_000, 0, 40_000):
        frame.pts = pts_us
        taken.append(sampler.sample(frame) is not None)
    assert taken == [True, False, True, False, True, True, False]


@pytest.mark.parametrize("shape", [(1920, 1080), (2, 2), (16, 4000), (4000, 16), (641, 359)])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le", "yuvj420p", "yuv444p", "gray"])
def test_every_size_and_pixel_format_is_taken(shape: tuple[int, int], pixels: str) -> None:
    frame = VideoFrame(*shape, pixels)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.pts = 0
    luma = PictureSampler().sample(frame)
    assert luma is not None and luma.shape[1] == 128 and 0.0 <= float(luma.min()) <= float(luma.max()) <= 1.0
