"""Small histograms with fixed bounds: they add up over processes, minutes and sites, and tell quantiles."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

BOUNDS_MS = (50, 100, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 4000, 6000, 10_000, 20_000, 60_000)
"""Upper bounds of the buckets; one more bucket is above the last. Start-up times and latencies use the same."""
BUCKETS = len(BOUNDS_MS) + 1


def empty() -> list[int]:
    return [0] * BUCKETS


def bucket_of(value_ms: float) -> int:
    return bisect_left(BOUNDS_MS, value_ms)


def added(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=True)]


def quantile_ms(counts: Sequence[int], share: float) -> float | None:
    """The value that `share` (0 to 1) of all lie below, by linear interpolation within its bucket; None without any.

    What lies above the last bound is told as that bound.
    """
    total = sum(counts)
    if not total:
        return None
    wanted, below = share * total, 0
    for number, count in enumerate(counts[:-1]):
        if count and below + count >= wanted:
            low = BOUNDS_MS[number - 1] if number else 0
            return round(low + (BOUNDS_MS[number] - low) * (wanted - below) / count, 1)
        below += count
    return float(BOUNDS_MS[-1])
