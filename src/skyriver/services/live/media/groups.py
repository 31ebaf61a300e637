"""Group numbers: presentation time divided by two seconds, never a counter.

Whoever restarts, wherever, makes the same numbers from the same timestamps: a transcoder that comes back in the
middle of a slot, a standby that runs beside it, a station that was moved. A counter would start at zero and lose
every viewer who waits for a later group.
"""

from __future__ import annotations

GROUP_US = 2_000_000
"""The length of a slot. 2 s: short enough to join and to switch renditions, long enough to compress well."""


def group_of(pts_us: int) -> int:
    """The slot that a presentation time (microseconds since the Unix epoch) falls into."""
    return pts_us // GROUP_US


class GroupCutter:
    """Cuts a source's own GOPs into groups whose numbers come from time and always increase.

    A publisher's keyframes come when they like. A group starts at the first keyframe of a slot that has no group
    yet; further keyframes of that slot stay inside. GOPs longer than a slot leave numbers out, which is allowed:
    a group's number says when it started.
    """

    def __init__(self) -> None:
        self._group: int | None = None

    def cut(self, pts_us: int, *, keyframe: bool) -> int | None:
        """The group this frame belongs to; None for frames before the first keyframe, which nobody could decode."""
        if keyframe and (self._group is None or group_of(pts_us) > self._group):
            self._group = group_of(pts_us)
        return self._group


class AudioCutter:
    """Cuts audio, where every frame stands alone: a new group at the first frame of each slot."""

    def __init__(self) -> None:
        self._group: int | None = None

    def cut(self, pts_us: int) -> tuple[int, bool]:
        """The group of this frame, and whether the frame starts it. Numbers never go back."""
        group = group_of(pts_us)
        starts = self._group is None or group > self._group
        if self._group is None or starts:
            self._group = group
        return self._group, starts
