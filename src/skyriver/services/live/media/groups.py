"""Cutting a source into groups; see `fabric.numbering` for what the numbers mean."""

from __future__ import annotations

from skyriver.fabric import group_of, slot_of


class GroupCutter:
    """Cuts a source's own GOPs into groups whose numbers come from time and always increase.

    A publisher's keyframes come when they like. A group starts at the first keyframe of a tick that has no group yet;
    further keyframes of that tick (a source of keyframes only) stay inside.
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
        self._slot = -1

    def cut(self, pts_us: int) -> tuple[int, bool]:
        """The group of this frame, and whether the frame starts it. Numbers never go back."""
        starts = self._group is None or slot_of(pts_us) > self._slot
        if self._group is None or starts:
            self._group, self._slot = group_of(pts_us), slot_of(pts_us)
        return self._group, starts
