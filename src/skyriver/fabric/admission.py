"""A relay refuses before it drowns.

Measured: one relay process serves 200 viewers of 1 Mbit/s on 60 % of a core with p99 80 ms; at 300 it is at 92 % and
every viewer falls seconds behind. Overload is a cliff, and it hits those who were already watching. So a relay
estimates what one more session will cost, refuses it while the edge list's next entry can still take it, and, should
load grow under it all the same (a scene with more bits, a storm of fail-overs), closes its newest sessions first.

Every viewer holds two sessions: one that plays, and a standby at its next edge. Standbys cost nothing until an edge
dies, and then all of its viewers at once: new sessions are taken only while all standbys together would still fit below
the line where shedding begins. Spread over two edges that is 150 viewers with their 150 standbys each.

Everything here is pure: readings in, decisions out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

REFUSED_FULL = 503  # what a refused session is closed with; a viewer takes its next edge
SETTLE_S = 3.0  # a new session's cost shows in the readings only after this long; until then it is assumed
_SAMPLE_SESSIONS = 8  # fewer sessions than this say little about the cost of one


@dataclass(frozen=True)
class Limits:
    """What one relay process may take on. `max_cpu` and `shed_cpu` are fractions of one core."""

    max_sessions: int = 2000
    max_egress_bps: int = 200_000_000
    max_cpu: float = 0.65
    shed_cpu: float = 0.90
    default_session_bps: int = 1_500_000
    default_session_cpu: float = 0.003  # 0.28 to 0.30 % of a core for each viewer of 1 Mbit/s at 30 frames/s, measured


@dataclass(frozen=True)
class Refusal:
    """Why a session was not admitted, for logs and counters."""

    reason: str


@dataclass
class Admission:
    """Keeps the readings of one relay and decides. Times are monotonic seconds."""

    limits: Limits = field(default_factory=Limits)
    sessions: int = 0
    active: int = 0
    standbys: int = 0
    egress_bps: float = 0.0
    cpu: float = 0.0
    refused: int = 0
    _admitted_at_s: list[float] = field(default_factory=list)
    _overloaded_readings: int = 0

    @property
    def load(self) -> float:
        """The share of the tightest limit that is in use; 1.0 refuses."""
        limits = self.limits
        return max(
            self.sessions / limits.max_sessions,
            self.egress_bps / limits.max_egress_bps,
            self.cpu / limits.max_cpu,
            (self.cpu + self.standbys * self._session_cpu) / limits.shed_cpu,
        )

    @property
    def _session_cpu(self) -> float:
        measured = self.active >= _SAMPLE_SESSIONS
        return self.cpu / self.active if measured else self.limits.default_session_cpu

    def reading(self, *, sessions: int, active: int, egress_bps: float, cpu: float, standbys: int = 0) -> None:
        """Take the readings of the last second. `active` counts sessions that media is sent to, `standbys` settled
        ones of viewers that none is sent to."""
        self.sessions, self.active, self.standbys = sessions, active, standbys
        self.egress_bps, self.cpu = egress_bps, cpu
        self._overloaded_readings = self._overloaded_readings + 1 if cpu >= self.limits.shed_cpu else 0

    def decide(self, now_s: float) -> Refusal | None:
        """Whether one more session fits; counts it as pending if it does."""
        self._admitted_at_s = [t for t in self._admitted_at_s if now_s - t < SETTLE_S]
        pending = len(self._admitted_at_s) + 1
        refusal = self._refusal(pending)
        if refusal is None:
            self._admitted_at_s.append(now_s)
        else:
            self.refused += 1
        return refusal

    def shed(self) -> int:
        """How many of the newest sessions to close now: a tenth, after two overloaded readings in a row."""
        if self._overloaded_readings < 2:
            return 0
        self._overloaded_readings = 0
        return max(1, self.active // 10)

    def _refusal(self, pending: int) -> Refusal | None:
        limits = self.limits
        if self.sessions + pending > limits.max_sessions:
            return Refusal(f"{self.sessions} sessions are open; {limits.max_sessions} is the limit")
        measured = self.active >= _SAMPLE_SESSIONS
        session_bps = self.egress_bps / self.active if measured else limits.default_session_bps
        if self.egress_bps + pending * session_bps > limits.max_egress_bps:
            return Refusal(f"egress is {self.egress_bps / 1e6:.0f} Mbit/s of {limits.max_egress_bps / 1e6:.0f}")
        session_cpu = self._session_cpu
        if self.cpu + pending * session_cpu > limits.max_cpu:
            return Refusal(f"the relay uses {self.cpu:.0%} of a core; {limits.max_cpu:.0%} is the limit")
        if self.cpu + (self.standbys + pending) * session_cpu > limits.shed_cpu:
            return Refusal(f"{self.standbys} sessions stand by; with more of them an edge's failure would be too much")
        return None
