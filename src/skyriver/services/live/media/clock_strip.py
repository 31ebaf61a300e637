"""A time that machines read off the picture: 48 squares, white for 1, black for 0, the highest bit at the left.

The value is the UTC time of drawing in milliseconds since the Unix epoch. Whoever sees the picture (a browser test
with a canvas, a decoder in a test) reads it and compares it with its own clock: the latency from glass to glass.

Geometry, as shares of the picture, so that it survives scaling: the strip spans 5 % to 95 % of the width and 92 % to
97 % of the height. Sample each square in its middle; a luma (or any colour channel) above 127 is a 1.
"""

from __future__ import annotations

BITS = 48
LEFT, RIGHT = 0.05, 0.95
TOP, BOTTOM = 0.92, 0.97
BLACK, WHITE = 16, 235  # limited-range luma (BT.601, BT.709)


def strip_row(time_ms: int, width: int) -> bytes:
    """One row of luma, `width` pixels, with the strip in it; black beside it."""
    row = bytearray([BLACK]) * width
    for index in range(BITS):
        if time_ms >> (BITS - 1 - index) & 1:
            left, right = _edge(index, width), _edge(index + 1, width)
            row[left:right] = bytes([WHITE]) * (right - left)
    return bytes(row)


def read_strip(pixels: memoryview, width: int, height: int, stride: int) -> int:
    """The time in milliseconds that a picture's luma plane shows."""
    start = int(height * (TOP + BOTTOM) / 2) * stride
    time_ms = 0
    for index in range(BITS):
        middle = (_edge(index, width) + _edge(index + 1, width)) // 2
        time_ms = time_ms << 1 | (pixels[start + middle] > 127)
    return time_ms


def _edge(index: int, width: int) -> int:
    return round(width * (LEFT + (RIGHT - LEFT) * index / BITS))
