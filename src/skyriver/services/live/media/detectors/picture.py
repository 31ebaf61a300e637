"""Black and frozen pictures, judged on small copies a few times a second.

A copy is 128 points wide, and each point is the mean of the area it stands for: encoder noise averages out, while
something as small as a clock's digit still moves a point. Cost for 720p: 0.2 ms a copy, 0.1 % of a core at 4 a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from skyriver.services.live.media.detectors.settings import DetectorSettings

SAMPLE_EVERY_US = 250_000
WIDTH = 128
_BLACK, _WHITE = 16, 235  # of limited range, which the small copy has whatever came in (ITU-R BT.709, 4.6)
STILL_FROM_US = 2_000_000  # two pictures that are alike are no freeze: slides and 1 fps sources have them
LIMIT_OF_PIXELS = 8192 * 8192

Luma = NDArray[np.float32]
"""Rows x columns, 0 (black) to 1 (white)."""


class PictureSampler:
    """Takes small copies of decoded pictures. Not thread-safe."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._next_us: int | None = None

    def sample(self, frame: VideoFrame) -> Luma | None:
        """The picture's luma, small; None if it is not yet time for a sample."""
        pts_us = frame.pts or 0
        early = self._next_us is not None and self._next_us - 10 * SAMPLE_EVERY_US < pts_us < self._next_us
        if early or not 0 < frame.width * frame.height <= LIMIT_OF_PIXELS:
            return None
        self._next_us = pts_us + SAMPLE_EVERY_US
        height = max(2, round(WIDTH * frame.height / frame.width / 2) * 2)
        small = self._scaler.reformat(frame, width=WIDTH, height=height, format="yuv420p", interpolation="AREA")
        plane = small.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:height, :WIDTH]
        luma: Luma = np.clip((rows.astype(np.float32) - _BLACK) / (_WHITE - _BLACK), 0.0, 1.0)
        return luma


def is_black(luma: Luma, settings: DetectorSettings) -> bool:
    """Whether nearly all of the picture is dark."""
    return float(np.mean(luma <= settings.black_level)) >= settings.black_share


@dataclass
class StillPicture:
    """Whether the picture moves. Each sample is compared with the last one that differed, so that a slow drift, too
    small from one sample to the next, is seen as the movement that it is."""

    _reference: Luma | None = None
    _since_us: int = 0

    def look(self, luma: Luma, pts_us: int, settings: DetectorSettings) -> bool:
        """Whether the picture has stood still for `STILL_FROM_US`."""
        before = self._reference
        moved = before is None or before.shape != luma.shape or self._moved(before, luma, settings)
        if moved or pts_us < self._since_us:
            self._reference, self._since_us = luma, pts_us
        return pts_us - self._since_us >= STILL_FROM_US

    @staticmethod
    def _moved(before: Luma, luma: Luma, settings: DetectorSettings) -> bool:
        return float(np.max(np.abs(luma - before))) > settings.frozen_noise
