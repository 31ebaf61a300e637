"""When has a live track fallen silent? By its own beat, since a camera of 1 fps is no dead camera of 30."""

from __future__ import annotations

from collections.abc import Iterator

LOOK_S = 0.02
"""How often to look for silence."""

AWAY_S = 0.05
"""Who looks that much later was held up itself: stopped, swapped out, or busy. What came meanwhile waits to be read."""

SILENT_S = 0.15
"""Shorter than the 250 ms after which viewers try another edge, so that they need not; to be wrong costs nothing, since
whoever takes over sends the same pictures."""

SILENT_BEATS = 4.0
PROVEN_BEATS = 5  # a catalog that changed twice has no beat
_SMOOTHING = 0.1
_PAUSE_S = 2.0  # a longer gap says nothing about the beat


class Pulse:
    """The beat of one track. Times in monotonic seconds."""

    def __init__(self) -> None:
        self._beats = 0
        self._interval_s = 0.0
        self._last_s = 0.0

    @property
    def proven(self) -> bool:
        """Whether the track has shown a beat at all."""
        return self._beats >= PROVEN_BEATS

    def beat(self, now_s: float) -> None:
        """A frame came."""
        gap_s = now_s - self._last_s
        if self._beats and gap_s < _PAUSE_S:
            self._interval_s += _SMOOTHING * (gap_s - self._interval_s)
        self._beats += 1
        self._last_s = now_s

    def wait_from(self, now_s: float) -> None:
        """Somebody else is asked for the track: the silence is counted anew."""
        self._last_s = now_s

    def forgive(self, away_s: float) -> None:
        """Nobody was here to hear it for so long."""
        self._last_s += away_s

    def silent(self, now_s: float) -> bool:
        """Whether it should have beaten by now."""
        return self.proven and now_s - self._last_s > max(SILENT_S, SILENT_BEATS * self._interval_s)


class Pulses:
    """The pulses of all tracks that are copied from what is heard now."""

    def __init__(self) -> None:
        self._pulses: set[Pulse] = set()

    def __iter__(self) -> Iterator[Pulse]:
        return iter(self._pulses)

    def add(self, pulse: Pulse) -> None:
        self._pulses.add(pulse)

    def discard(self, pulse: Pulse) -> None:
        self._pulses.discard(pulse)

    def wait_from(self, now_s: float) -> None:
        """Somebody else is asked for all of them."""
        for pulse in self._pulses:
            pulse.wait_from(now_s)

    def all_silent(self, asleep_s: float, now_s: float) -> bool:
        """Whether there are tracks with a beat, and all of them should have beaten by now.

        Args:
            asleep_s: when the one who looks lay down for `LOOK_S`. What he overslept is forgiven, here and from now on.
        """
        away_s = now_s - asleep_s - LOOK_S
        if away_s > AWAY_S:
            for pulse in self._pulses:
                pulse.forgive(away_s)
        beating = [pulse for pulse in self._pulses if pulse.proven]
        return bool(beating) and all(pulse.silent(now_s) for pulse in beating)
