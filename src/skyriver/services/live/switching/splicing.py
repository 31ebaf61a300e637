"""One output clock out of inputs whose clocks differ.

Each station stamps media time by its own clock. With clocks that are kept (NTP) two inputs differ by tens of
milliseconds, and their times are used as they are: then every transcoder of the channel writes the same times. An input
that lies further away (a broken clock, an encoder that has fallen behind) would stop the picture for as long as it is
behind, or let viewers wait for as long as it is ahead. It is moved beside what was shown before, by whole ticks, so
that group numbers stay whole and two transcoders find the same offset.
"""

from __future__ import annotations

from collections import deque

from skyriver.fabric import TICK_US

TRUSTED_US = TICK_US
"""Clocks that differ by less are taken as they are; players' buffers hold twice as much."""

_RECENT = 16


class Age:
    """How old an input's frames are when they arrive, by one clock of this process: negative where its clock is ahead.

    The youngest of the last few counts: networks only ever delay.
    """

    def __init__(self) -> None:
        self._recent_us: deque[int] = deque(maxlen=_RECENT)
        self._others = False

    def arrive(self, pts_us: int, now_us: int) -> None:
        """A frame came at `now_us`."""
        if self._others:
            self._recent_us.clear()
            self._others = False
        self._recent_us.append(now_us - pts_us)

    def forget(self) -> None:
        """What comes next may be another publisher's, whose station has another clock. Until it comes, this holds."""
        self._others = True

    @property
    def youngest_us(self) -> int | None:
        """None while nothing came."""
        return min(self._recent_us, default=None)


def offset_us(shown_us: int | None, next_us: int | None) -> int:
    """What is added to the times of the input that is shown next, given the ages of what was shown and of itself.

    Args:
        shown_us: age of what was shown, as it was written (its own offset included); None when nothing was.
        next_us: age of what is shown next, by its own times.
    """
    if shown_us is None or next_us is None:
        return 0
    apart_us = next_us - shown_us
    return 0 if abs(apart_us) <= TRUSTED_US else round(apart_us / TICK_US) * TICK_US
