"""When frames arrived at one viewer, and what follows from it: gaps, latency, outages.

Times are monotonic seconds; latency is arrival minus the frame's media time, in milliseconds (see `kernel.clock`:
media time is UTC at the station, so this is true on one machine, and as true as the clocks agree on two).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MAX_ARRIVALS = 200_000  # 30 fps for almost two hours; the oldest go first


@dataclass(frozen=True, slots=True)
class Arrival:
    """One frame: when it came (monotonic seconds), how old it was (ms), and over which relay."""

    at_s: float
    latency_ms: float
    edge: str


class Arrivals:
    """Every frame one viewer received, in order of arrival."""

    def __init__(self, *, limit: int = MAX_ARRIVALS) -> None:
        self._arrivals: deque[Arrival] = deque(maxlen=limit)
        self.frames = 0
        self.edges: list[str] = []

    def add(self, at_s: float, latency_ms: float, edge: str) -> None:
        self.frames += 1
        self._arrivals.append(Arrival(at_s, latency_ms, edge))
        if not self.edges or self.edges[-1] != edge:
            self.edges.append(edge)

    @property
    def last(self) -> Arrival | None:
        return self._arrivals[-1] if self._arrivals else None

    def since(self, from_s: float) -> list[Arrival]:
        """Arrivals at or after `from_s`, oldest first."""
        recent: list[Arrival] = []
        for arrival in reversed(self._arrivals):
            if arrival.at_s < from_s:
                break
            recent.append(arrival)
        recent.reverse()
        return recent

    def latencies_ms(self, from_s: float = 0.0) -> list[float]:
        return [arrival.latency_ms for arrival in self.since(from_s)]

    def max_gap_ms(self, from_s: float = 0.0, until_s: float | None = None) -> float:
        """The longest time without a frame between `from_s` and `until_s`.

        The last frame before `from_s` opens the first gap. With `until_s`, silence up to it counts too: a viewer
        that never got a frame again has a gap as long as the wait, not no gap.
        """
        previous_s: float | None = None
        longest_s = 0.0
        for arrival in self._arrivals:
            if until_s is not None and arrival.at_s > until_s:
                break
            if previous_s is not None and arrival.at_s >= from_s:
                longest_s = max(longest_s, arrival.at_s - previous_s)
            previous_s = arrival.at_s
        if until_s is not None:
            longest_s = max(longest_s, until_s - (previous_s if previous_s is not None else from_s))
        return longest_s * 1000
