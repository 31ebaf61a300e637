"""One session at a relay: who holds it, what it has cost, when it must end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from skyriver.fabric import moq
from skyriver.fabric.grants import Grant
from skyriver.kernel.ids import new_id

# bytes keep leaving, and nothing has been acknowledged for this long: the peer is dead (QUIC says so after 9 to 13)
STALLED_S = 4.0
# A standby gets acknowledgements (100 byte/s) and now and then a probe of 1.5 KB; the leanest media is Opus at
# 6 kbit/s, 2 KB/s on the wire. Its first two seconds say nothing: a handshake and a catalog are 5 to 10 KB.
MEDIA_BYTES_PER_S, PACE_OVER_S, PACE_FROM_S = 1_000, 3.0, 2.0
STILL_WATCHING_S = 30.0  # a broadcast that pauses does not lose its viewers: as long as its publisher is waited for


@dataclass(frozen=True)
class Usage:
    """What a session has moved since its last fact. `(source, seq)` names the fact for ever; times are UTC."""

    source: str
    seq: int
    space: str
    jti: str
    bytes_sent: int
    bytes_received: int
    from_at: datetime
    to_at: datetime
    final: bool

    def event(self) -> dict[str, Any]:
        """The fields of a workload's `usage` event; times in microseconds since the Unix epoch."""
        return {
            "source": self.source,
            "seq": self.seq,
            "space": self.space,
            "jti": self.jti,
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
            "from_us": int(self.from_at.timestamp() * 1e6),
            "to_us": int(self.to_at.timestamp() * 1e6),
            "final": self.final,
        }


class RelaySession:
    """Holds a session open; drop it and the connection closes."""

    def __init__(self, session: moq.Session, grant: Grant, now_s: float, now: datetime) -> None:
        self.session_id = new_id("se")
        self.session = session
        self.grant = grant
        self.opened_at_s = now_s
        self.bytes_sent = 0
        self.bytes_received = 0
        self.egress_bytes_last = 0  # in the last sampling interval
        self._sampled_at_s = now_s
        self._pace_bytes_per_s = 0.0
        self._fed_at_s: float | None = None
        self._packets_received = -1
        self._silent_since_s = now_s
        self._reported_sent = 0
        self._reported_received = 0
        self._reported_at = now
        self._seq = 0

    @property
    def is_viewer(self) -> bool:
        """A session of the public rather than of the platform, that may be sent something."""
        return not self.grant.cluster and bool(self.grant.get)

    @property
    def is_fed(self) -> bool:
        """Whether media is sent to it, or was until half a minute ago. One that is not stands by for another edge's
        failure, or waits for a broadcast to begin."""
        return self._fed_at_s is not None and self._sampled_at_s - self._fed_at_s < STILL_WATCHING_S

    def sample(self, now_s: float) -> None:
        """Read the transport's counters (25 µs)."""
        stats = self.session.stats()
        if stats.bytes_sent is None:
            return  # closed: the last reading stands
        self.egress_bytes_last = stats.bytes_sent - self.bytes_sent
        self.bytes_sent, self.bytes_received = stats.bytes_sent, stats.bytes_received or 0
        self._take_pace(now_s)
        if stats.packets_received != self._packets_received or self.egress_bytes_last == 0:
            self._packets_received, self._silent_since_s = stats.packets_received or 0, now_s

    def _take_pace(self, now_s: float) -> None:
        passed_s, self._sampled_at_s = now_s - self._sampled_at_s, now_s
        if passed_s <= 0 or now_s - self.opened_at_s < PACE_FROM_S:
            return
        weight = min(1.0, passed_s / PACE_OVER_S)
        self._pace_bytes_per_s += (self.egress_bytes_last / passed_s - self._pace_bytes_per_s) * weight
        if self._pace_bytes_per_s >= MEDIA_BYTES_PER_S:
            self._fed_at_s = now_s

    def is_stalled(self, now_s: float) -> bool:
        """Whether we send and send, and nobody acknowledges."""
        return now_s - self._silent_since_s >= STALLED_S

    def usage(self, now: datetime, *, final: bool = False) -> Usage | None:
        """The delta since the last fact; `None` when nothing moved (a final one is always given)."""
        sent, received = self.bytes_sent - self._reported_sent, self.bytes_received - self._reported_received
        if not final and sent == 0 and received == 0:
            return None
        fact = Usage(
            self.session_id, self._seq, self.grant.root, self.grant.jti, sent, received, self._reported_at, now, final
        )
        self._seq += 1
        self._reported_sent, self._reported_received, self._reported_at = self.bytes_sent, self.bytes_received, now
        return fact
