"""What an alarm is, in pure code: conditions, and the hysteresis that makes alarms of them. No I/O, no clock.

A source looks at the world again and again and says which conditions hold NOW. An alarm is raised when a condition
has held for its `raise_after_s` without a break, and cleared when it has not held for `clear_after_s`:

    absent --(holds)--> rising --(held for raise_after_s)--> RAISED --(does not hold)--> falling
    rising --(does not hold)--> absent                       falling --(holds)--> RAISED
                                                             falling --(for clear_after_s)--> absent: cleared

So a condition that flickers faster than its times makes one alarm, or none. What a source cannot judge at the moment
(its witness is silent) it must neither confirm nor deny: see `Hysteresis.look`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

KEY_CHARS_MAX = 300


class Severity(StrEnum):
    WARNING = "warning"  # quality suffers, or a reserve is gone: look at it in working hours
    CRITICAL = "critical"  # viewers are without picture or sound, or will be: look at it now


@dataclass(frozen=True)
class Subject:
    """What an alarm is about: `channel`, `site`, `node`, `workload`, `webhook`… The name is for people."""

    kind: str
    id: str
    name: str = ""


@dataclass(frozen=True)
class Condition:
    """Something that is wrong now.

    Attributes:
        kind: what is wrong, a stable snake_case name; one alarm at most is open for a kind and subject.
        message: what is the case.
        hint: what to do about it.
        raise_after_s: how long it has to hold before anybody is told.
        clear_after_s: how long it has to be over.
    """

    tenant_id: str
    kind: str
    severity: Severity
    subject: Subject
    message: str
    hint: str
    raise_after_s: float = 0.0
    clear_after_s: float = 0.0

    @property
    def key(self) -> str:
        """Names the alarm while it is open."""
        return open_key(self.tenant_id, self.kind, self.subject.kind, self.subject.id)


def open_key(tenant_id: str, kind: str, subject_kind: str, subject_id: str) -> str:
    return "/".join((tenant_id, kind, subject_kind, subject_id))[:KEY_CHARS_MAX]


@dataclass
class _Track:
    condition: Condition
    since_s: float  # of the present spell: holding, or not holding
    holds: bool = True
    raised: bool = False


def _nothing(_condition: Condition) -> bool:
    return False


@dataclass
class Hysteresis:
    """Conditions over time. `now_s` is monotonic seconds and never goes backwards."""

    _tracks: dict[str, _Track] = field(default_factory=dict)

    def restore(self, conditions: Iterable[Condition], now_s: float) -> None:
        """Take over alarms that an earlier process raised: they count as over from now on until they are seen."""
        for condition in conditions:
            self._tracks.setdefault(condition.key, _Track(condition, now_s, holds=False, raised=True))

    def look(
        self, holding: Iterable[Condition], now_s: float, *, unknown: Callable[[Condition], bool] = _nothing
    ) -> Mapping[str, Condition]:
        """One look at the world.

        Args:
            holding: every condition that holds now.
            unknown: whether nothing can be said about a condition at the moment; it then stays as it was.

        Returns:
            the alarms that are to be open now, by key.
        """
        present = {condition.key: condition for condition in holding}
        for key, condition in present.items():
            self._confirm(key, condition, now_s)
        for key, track in list(self._tracks.items()):
            if key not in present and not unknown(track.condition):
                self._deny(key, track, now_s)
        return {key: track.condition for key, track in self._tracks.items() if track.raised}

    def _confirm(self, key: str, condition: Condition, now_s: float) -> None:
        track = self._tracks.setdefault(key, _Track(condition, now_s))
        if not track.holds:
            track.holds, track.since_s = True, now_s
        track.condition = condition
        track.raised = track.raised or now_s - track.since_s >= condition.raise_after_s

    def _deny(self, key: str, track: _Track, now_s: float) -> None:
        if track.holds:
            track.holds, track.since_s = False, now_s
        if not track.raised or now_s - track.since_s >= track.condition.clear_after_s:
            del self._tracks[key]
