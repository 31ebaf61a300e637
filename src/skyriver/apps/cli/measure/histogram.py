"""Latencies of millions of frames in little memory: counts by the millisecond, mergeable across processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

MAX_MS = 60_000  # whatever is later counts as this late


class Histogram:
    """How many values fell into each whole millisecond."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self._counts: Counter[int] = Counter(counts or {})

    def add(self, value_ms: float) -> None:
        self._counts[min(MAX_MS, max(0, int(value_ms)))] += 1

    def merge(self, other: Histogram) -> None:
        self._counts.update(other._counts)

    @property
    def count(self) -> int:
        return self._counts.total()

    def percentile(self, percent: float) -> float:
        """The upper edge of the bucket that holds the nearest-rank percentile, in ms; 0.0 of nothing."""
        wanted = max(1, -(-self.count * percent // 100))
        seen = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= wanted:
                return float(bucket + 1)
        return 0.0

    def to_json(self) -> dict[str, int]:
        return {str(bucket): count for bucket, count in self._counts.items()}

    @classmethod
    def from_json(cls, counts: Mapping[str, int]) -> Histogram:
        return cls({int(bucket): count for bucket, count in counts.items()})
