"""How much a publisher may send: its bit rate over a few seconds, against its channel's limit."""

from __future__ import annotations

from collections import deque

WINDOW_S = 5
"""Long enough for a keyframe, or for what had gathered while this process was held up, to be no offence."""

_SLOT_US = 100_000


class BitrateLimit:
    """Counts what is taken over, in steps of a tenth of a second."""

    def __init__(self) -> None:
        self._slots: deque[list[int]] = deque()  # [slot, bytes], of the last WINDOW_S
        self._bytes = 0

    def add(self, size_bytes: int, now_us: int) -> int:
        """Count `size_bytes` taken at `now_us`; returns the bit rate over the last WINDOW_S, in bit/s.

        What comes in less than the whole window counts against the whole window: a stream is over its limit as soon as
        it has sent more than it may send in WINDOW_S, however fast that was.
        """
        slot = now_us // _SLOT_US
        if not self._slots or slot > self._slots[-1][0]:
            self._slots.append([slot, 0])
        self._slots[-1][1] += size_bytes
        self._bytes += size_bytes
        while self._slots[0][0] <= slot - WINDOW_S * 1_000_000 // _SLOT_US:
            self._bytes -= self._slots.popleft()[1]
        return self._bytes * 8 // WINDOW_S
