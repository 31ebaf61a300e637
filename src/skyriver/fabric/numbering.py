"""Group numbers: presentation time in ticks of a quarter of a second, never a counter.

Whoever restarts, wherever, makes the same numbers from the same timestamps: a transcoder that comes back, a standby
that runs beside it, a station that was moved. A counter would start at zero and lose every viewer who waits for a later
group.

Encoders place their keyframes by *slots* of two seconds, whose numbers are multiples of 8. An extra keyframe (a switch
to another input, an encoder that starts in the middle of a slot) opens a group of its own at any tick in between, and
the numbers still grow. A group's number says when it began; how long it is, only the next one's says.
"""

from __future__ import annotations

TICK_US = 250_000
"""The finest step of group numbers: no track has more than four groups a second."""

SLOT_US = 2_000_000
"""How far apart keyframes stand: short enough to join and to switch renditions, long enough to compress well."""


def group_of(pts_us: int) -> int:
    """The number of a group that begins at this presentation time (microseconds since the Unix epoch)."""
    return pts_us // TICK_US


def slot_of(pts_us: int) -> int:
    """The slot that a presentation time (microseconds since the Unix epoch) falls into."""
    return pts_us // SLOT_US
