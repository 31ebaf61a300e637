"""What flowed through a track since it was last asked: rate and delay."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from skyriver.kernel.clock import Monotonic, monotonic_s

MAX_DELAYS = 512  # a second of 240 fps, twice; more says nothing more


@dataclass(frozen=True)
class Rate:
    """One interval. `delay_ms` is the median, `delay_max_ms` the worst; zeros when nothing flowed."""

    fps: float
    bitrate_bps: int
    delay_ms: float
    delay_max_ms: float


class Flow:
    """Counts units; `take` closes an interval and begins the next."""

    def __init__(self, *, monotonic: Monotonic = monotonic_s) -> None:
        self._monotonic = monotonic
        self._since_s = monotonic()
        self._units = 0
        self._bytes = 0
        self._delays_us: deque[int] = deque(maxlen=MAX_DELAYS)

    def add(self, size_bytes: int, delay_us: int) -> None:
        """One unit left, `delay_us` after its presentation time."""
        self._units += 1
        self._bytes += size_bytes
        self._delays_us.append(delay_us)

    def take(self) -> Rate:
        """The interval since the last call."""
        now_s = self._monotonic()
        seconds = max(now_s - self._since_s, 1e-6)
        delays = sorted(self._delays_us)
        rate = Rate(
            fps=round(self._units / seconds, 2),
            bitrate_bps=round(self._bytes * 8 / seconds),
            delay_ms=round(delays[len(delays) // 2] / 1000, 1) if delays else 0.0,
            delay_max_ms=round(delays[-1] / 1000, 1) if delays else 0.0,
        )
        self._since_s, self._units, self._bytes = now_s, 0, 0
        self._delays_us.clear()
        return rate
