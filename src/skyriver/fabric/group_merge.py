"""How the groups of successive feeders of one track become the groups of one track:

- a number above the last one opens a new group;
- the number of the group that is still open CONTINUES it behind the last frame that is there: a standby goes on in the
  middle of the group that its predecessor could not finish. What it has from before that point, and its predecessor had
  not (sound that was cut elsewhere, a picture that was left out), is dropped: nothing is put in behind later frames;
- lower numbers are late duplicates and are dropped, unless the feeder counts from zero (a catalog, a document): then
  its numbers are shifted to go on from the last one. Media groups are numbered by PTS and stand far above counters.
"""

from __future__ import annotations

from collections.abc import Callable

from skyriver.fabric import moq

MEDIA_NUMBERED_FROM = 1_000_000  # ticks since 1970 are near 7e9; a session's counter never gets here
OPEN_GROUPS = 3  # how many groups of one track may be in flight; older ones are closed


class GroupMerge:
    """The rules for groups above, for one track; pure but for the producers it is given.

    `open_group(number)` makes a group. `write` returns whether the frame was used.
    """

    def __init__(self, open_group: Callable[[int], moq.GroupProducer]) -> None:
        self._open_group = open_group
        self._groups: dict[int, moq.GroupProducer] = {}
        self._times_us: dict[int, dict[int, None]] = {}  # of open groups, in the order in which they were written
        self._continued: set[int] = set()  # groups whose new feeder has not come to where the old one ended
        self._shift = 0
        self.last = -1
        self.dropped_frames = 0

    def feeder_changed(self, first_number: int) -> None:
        """A feeder begins with `first_number`: decide whether it counts anew."""
        counts_anew = first_number <= self.last and first_number < MEDIA_NUMBERED_FROM
        self._shift = self.last + 1 - first_number if counts_anew else 0

    def write(self, number: int, frame: moq.Frame) -> bool:
        """Put one frame of the feeder's group `number` where it belongs, or drop it."""
        sequence = number + self._shift
        group = self._groups.get(sequence)
        if group is None:
            if sequence <= self.last:
                self.dropped_frames += 1
                return False
            group = self._begin(sequence)
        times_us = self._times_us.setdefault(sequence, {})
        if sequence in self._continued and times_us:
            # B-frames come out of order, so the frame that was written last, not the latest, is where to go on.
            if frame.timestamp_us == next(reversed(times_us)) or frame.timestamp_us > max(times_us):
                self._continued.discard(sequence)
            if frame.timestamp_us <= max(times_us):
                self.dropped_frames += 1
                return False
        times_us[frame.timestamp_us] = None
        group.write_frame(frame.payload, frame.timestamp_us)
        return True

    def finish(self, number: int) -> None:
        """The feeder has completed its group."""
        sequence = number + self._shift
        group = self._groups.pop(sequence, None)
        self._times_us.pop(sequence, None)
        if group is not None:
            group.finish()

    def interrupted(self) -> None:
        """The feeder is gone in the middle: what is open stays open, and whoever continues must not repeat frames."""
        self._continued = set(self._groups)

    def _begin(self, sequence: int) -> moq.GroupProducer:
        for old in sorted(self._groups)[: max(0, len(self._groups) + 1 - OPEN_GROUPS)]:
            self._groups.pop(old).finish()
            self._times_us.pop(old, None)
        for left in [s for s in self._continued if s in self._groups]:
            self._groups.pop(left).finish()  # its feeder died, and a newer group has begun: nobody will continue it
            self._times_us.pop(left, None)
        self._continued = set()
        self._groups[sequence] = group = self._open_group(sequence)
        self.last = sequence
        return group
