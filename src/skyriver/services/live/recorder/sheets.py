"""The measures of pictures and of sheets of them: what makes, lists and shows them agrees here. No I/O."""

from __future__ import annotations

EVERY_US = 10_000_000
"""One picture each ten seconds."""
WIDTH, HEIGHT = 160, 90
"""Pixels. Every picture has this size, so that a sheet is a grid."""
COLUMNS, ROWS = 10, 10
PER_SHEET = COLUMNS * ROWS


def number_of(pts_us: int) -> int:
    """The number of the ten seconds that a moment falls into."""
    return pts_us // EVERY_US
