"""Structural similarity of two pictures' luma (Wang et al., "Image quality assessment", IEEE TIP 13(4), 2004)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

BLOCK = 8
"""Square windows of 8 x 8 that do not overlap: x264 and FFmpeg use windows of the same size."""

_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2

Luma = npt.NDArray[np.uint8]


def luma(frame: VideoFrame) -> Luma:
    """The luma plane of a yuv420p picture as an array of height x width (a copy)."""
    plane = frame.planes[0]
    rows: Luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width].copy()


def ssim(first: Luma, second: Luma) -> float:
    """1 for equal pictures; 0.98 is about where people begin to see a difference at all. Sizes must be equal."""
    if first.shape != second.shape:
        raise ValueError(f"Cannot compare pictures of {first.shape} and {second.shape}.")
    a, b = _windows(first), _windows(second)
    mean_a, mean_b = a.mean(axis=(1, 3)), b.mean(axis=(1, 3))
    variance_a = (a * a).mean(axis=(1, 3)) - mean_a**2
    variance_b = (b * b).mean(axis=(1, 3)) - mean_b**2
    covariance = (a * b).mean(axis=(1, 3)) - mean_a * mean_b
    light = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_a + variance_b + _C2)
    return float((light * structure).mean())


def enlarge(frame: VideoFrame, width: int, height: int) -> Luma:
    """The luma at another size, between its points as a browser draws it: bilinear."""
    return luma(frame.reformat(width, height, "yuv420p", interpolation="BILINEAR"))


def _windows(plane: Luma) -> npt.NDArray[Any]:
    height, width = (side // BLOCK * BLOCK for side in plane.shape)
    whole = plane[:height, :width].astype(np.float32)
    return whole.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
