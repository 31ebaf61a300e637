"""The three times, never mixed.

UTC for what people and ledgers read; monotonic for waiting and measuring; the media clock for frames, in
microseconds since the Unix epoch, advanced by the monotonic clock so that it never jumps while a process lives.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Monotonic = Callable[[], float]
"""Seconds from an arbitrary origin; only differences mean something."""


def utc_now() -> datetime:
    """The wall clock, time-zone aware, UTC."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Seconds from an arbitrary origin, never backwards."""
    return time.monotonic()


class MediaClock:
    """Microseconds since the Unix epoch, read once from the wall and from then on advanced by the monotonic clock.

    A step of the wall clock (NTP, an operator, a leap) therefore never reaches timestamps of a running process.
    """

    def __init__(self, *, wall_us: int | None = None, monotonic: Monotonic = time.monotonic) -> None:
        self._monotonic = monotonic
        start_us = time.time_ns() // 1000 if wall_us is None else wall_us
        self._offset_us = start_us - int(monotonic() * 1e6)

    def now_us(self) -> int:
        """Media time now."""
        return self._offset_us + int(self._monotonic() * 1e6)

    def wall_step_us(self, *, wall_us: int | None = None) -> int:
        """How far the wall clock has stepped away from this clock (positive: the wall is ahead)."""
        wall_now_us = time.time_ns() // 1000 if wall_us is None else wall_us
        return wall_now_us - self.now_us()
