"""A source's timestamps as one line of time that only grows, however often it loops, jumps or comes back.

The first frame is at 0. Sound and picture share one offset, so that they stay together. A loop goes on where the last
round ended; a jump of the source's clock (backwards, or forwards by more than a pause) goes on one frame later. Pure:
no clock of its own.
"""

from __future__ import annotations

BACKWARD_US = 1_000_000  # sound and picture of sloppy files interleave this coarsely
FORWARD_US = 10_000_000  # longer than any pause between segments; beyond it the clock was set anew
_FRAME_US = 33_333


class SourceClock:
    """Source time in, line time out; both in microseconds."""

    def __init__(self) -> None:
        self._offset_us: int | None = None
        self._end_us = 0
        self._last_us = 0

    @property
    def last_us(self) -> int:
        """The latest time given out."""
        return self._last_us

    def place(self, source_us: int, duration_us: int = 0) -> int:
        """The decode time of a frame on the line."""
        if self._offset_us is None:
            self._offset_us = self._end_us - source_us
        line_us = source_us + self._offset_us
        if not -BACKWARD_US <= line_us - self._last_us <= FORWARD_US:
            self._offset_us = self._last_us + _FRAME_US - source_us
            line_us = self._last_us + _FRAME_US
        self._last_us = max(self._last_us, line_us)
        self._end_us = max(self._end_us, line_us + (duration_us or _FRAME_US))
        return max(line_us, 0)

    def begin_again(self) -> None:
        """The source starts over: its next frame follows the last one's end."""
        self._offset_us = None
        self._last_us = self._end_us
