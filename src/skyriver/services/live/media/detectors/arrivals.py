"""How compressed video arrives: keyframes, bitrate and frame rate, each against what this channel usually has."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass, field

from skyriver.services.live.media.detectors.settings import DetectorSettings

USUAL_SECONDS = 300  # what is usual: the median of so many seconds
LEARN_COLLAPSE_ONE_OF = 8
"""Of seconds far below the usual only some are learnt: a collapse stays one for twenty minutes, and what lasts longer
is a publisher that sends less on purpose."""
KNOWN_FROM_SECONDS = 30  # less says nothing about a channel
PRESENT_SECONDS = 5


@dataclass
class _Second:
    number: int
    units: int = 0
    size_bytes: int = 0


@dataclass(frozen=True)
class ArrivalState:
    """What is seen of the input now. `keyframe_age_s`: since the last keyframe; `gop_ms`: between the last two."""

    bitrate_low: bool
    fps_low: bool
    no_keyframe: bool
    bitrate_bps: int
    usual_bitrate_bps: int
    fps: float
    usual_fps: float
    gop_ms: int
    keyframe_age_s: float


@dataclass
class Arrivals:
    """Counts units by the second. `now_s` is monotonic seconds."""

    _began_s: float | None = None
    _keyframe_s: float | None = None
    _gop_ms: int = 0
    _present: deque[_Second] = field(default_factory=lambda: deque(maxlen=PRESENT_SECONDS + 1))
    _usual: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=USUAL_SECONDS))
    """(bytes, units) of past seconds."""
    _collapsed: int = 0

    def add(self, size_bytes: int, keyframe: bool, now_s: float) -> None:
        """One access unit came."""
        if self._began_s is None:
            self._began_s = self._keyframe_s = now_s
        self._roll(now_s)
        second = self._present[-1]
        second.units += 1
        second.size_bytes += size_bytes
        if keyframe:
            self._gop_ms = round((now_s - (self._keyframe_s or now_s)) * 1000)
            self._keyframe_s = now_s

    def state(self, settings: DetectorSettings, now_s: float) -> ArrivalState | None:
        """None before the first unit."""
        if self._began_s is None or self._keyframe_s is None:
            return None
        self._roll(now_s)
        size_bytes, units = self._mean_of_present()
        usual_bytes, usual_units = self._medians()
        return ArrivalState(
            bitrate_low=size_bytes < usual_bytes * settings.bitrate_share,
            fps_low=units < usual_units * settings.fps_share,
            no_keyframe=now_s - self._keyframe_s > settings.keyframe_max_s,
            bitrate_bps=round(size_bytes * 8),
            usual_bitrate_bps=round(usual_bytes * 8),
            fps=round(units, 1),
            usual_fps=round(usual_units, 1),
            gop_ms=self._gop_ms,
            keyframe_age_s=round(now_s - self._keyframe_s, 1),
        )

    def _roll(self, now_s: float) -> None:
        """Begin the seconds up to now; empty ones count, they are what a collapse looks like."""
        number = int(now_s)
        if not self._present or number - self._present[-1].number > PRESENT_SECONDS * 4:
            self._present.clear()
            self._present.append(_Second(number))
        while self._present[-1].number < number:
            self._learn(self._present[-1])
            self._present.append(_Second(self._present[-1].number + 1))

    def _learn(self, second: _Second) -> None:
        """A second that is over becomes part of what is usual, slowly so if it is a collapse."""
        usual_bytes, usual_units = self._medians()
        if second.size_bytes < usual_bytes / 2 or second.units < usual_units / 2:
            self._collapsed += 1
            if self._collapsed % LEARN_COLLAPSE_ONE_OF:
                return
        if second.units:
            self._usual.append((second.size_bytes, second.units))

    def _mean_of_present(self) -> tuple[float, float]:
        whole = list(self._present)[:-1]  # the last one is not over
        if not whole:
            only = self._present[-1]
            return float(only.size_bytes), float(only.units)
        return sum(s.size_bytes for s in whole) / len(whole), sum(s.units for s in whole) / len(whole)

    def _medians(self) -> tuple[float, float]:
        if len(self._usual) < KNOWN_FROM_SECONDS:
            return 0.0, 0.0
        return statistics.median(b for b, _ in self._usual), statistics.median(u for _, u in self._usual)
