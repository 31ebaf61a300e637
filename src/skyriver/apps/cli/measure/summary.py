"""Distributions in three numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Summary:
    """The middle, the edge and the worst of `count` values, all in the unit of the values."""

    count: int
    p50: float
    p99: float
    max: float

    def as_json(self) -> dict[str, float | int]:
        return asdict(self)


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: a value that was really seen, never an interpolation. NaN-free: 0.0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)  # ceiling
    return float(ordered[max(0, int(rank) - 1)])


def summarise(values: Sequence[float], *, digits: int = 1) -> Summary:
    """p50, p99 and max of `values`, rounded to `digits`."""
    return Summary(
        len(values),
        round(percentile(values, 50), digits),
        round(percentile(values, 99), digits),
        round(max(values, default=0.0), digits),
    )
