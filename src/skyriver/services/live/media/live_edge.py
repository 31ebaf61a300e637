"""When has a reader that joins in the middle of a group caught up with the present?

A relay sends the group so far in one go, and then goes on at the pace of the publisher. A transcoder that started to
encode on the way would publish times that its predecessor has published already; relays drop those, keyframe
included, and what follows could not be decoded. So it has to know where the present begins.

The rule looks at arrival alone, since clocks of different machines may differ: at the live edge the gap between two
arrivals is about a frame's duration, in a burst it is nearly nothing. One such gap may be a hiccup of this machine;
two in a row are the pace of the publisher. Where the clocks do agree that a frame is fresh, one gap is enough.
"""

from __future__ import annotations

PACE = 0.6  # a gap of at least this share of a frame's duration is the publisher's pace; faster links burst faster
FRESH_US = 200_000  # glass to here on one machine is 20 to 50 ms
MAX_SKIPPED = 300  # five seconds at 60 fps: more than a slot; then begin with whatever there is


class LiveEdge:
    """Judges arrivals; `reached` stays true once it is. Times in microseconds, of any one clock but `age_us`."""

    def __init__(self) -> None:
        self.reached = False
        self.skipped = 0
        self._first_pts_us = 0
        self._newest_pts_us = 0
        self._count = 0
        self._arrived_us = 0
        self._paced = False

    def arrive(self, pts_us: int, now_us: int, age_us: int) -> bool:
        """A unit arrived at `now_us`; its clock says that it is `age_us` old. Whether the present begins here."""
        if self.reached:
            return True
        if self._count == 0:
            self._first_pts_us = self._newest_pts_us = pts_us
        paced = self._count > 0 and now_us - self._arrived_us >= PACE * self._duration_us()
        fresh = abs(age_us) <= FRESH_US
        self.reached = (paced and (self._paced or fresh)) or self.skipped >= MAX_SKIPPED
        self._paced = paced
        self._newest_pts_us = max(self._newest_pts_us, pts_us)
        self._arrived_us = now_us
        self._count += 1
        self.skipped += not self.reached
        return self.reached

    def _duration_us(self) -> float:
        """A frame's duration, by all that have arrived (in decoding order single steps mean nothing)."""
        if self._count < 2:
            return 1e6 / 60
        return (self._newest_pts_us - self._first_pts_us) / (self._count - 1)
