"""Is the peer of a session still there? Answered in half a second instead of the library's nine.

Theory of operation. QUIC acknowledges what is sent to it, so a living peer is heard from whenever media flows in
either direction. Only a silent session is ambiguous. Then we POKE: a reserved name is announced or retracted, which
sends one small control message that the peer must acknowledge within a round trip. States, driven by the count of
packets received, looked at ten times a second:

    heard    --(no packet for POKE_AFTER_S)-->  poked     poke once
    poked    --(a packet)-->                    heard
    poked    --(no packet for dead_after_s)-->  dead      close the session, dial another

Thresholds are staggered per hop, so that the hop nearest to a fault acts first and the others never see it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

POLL_S = 0.1
POKE_AFTER_S = 0.25
DEAD_AFTER_S = (
    0.7  # above POKE_AFTER_S + the peer's acknowledgement delay (130 ms seen) + a 200 ms round trip + one poll
)


class Verdict(enum.Enum):
    """What to do after a look."""

    FINE = "fine"
    POKE = "poke"
    DEAD = "dead"


@dataclass
class Liveness:
    """The pure half: feed it the packet count, act on its verdict. Times are monotonic seconds."""

    heard_at_s: float
    dead_after_s: float = DEAD_AFTER_S
    poke_after_s: float = POKE_AFTER_S
    packets: int = -1
    poked: bool = False

    def look(self, packets_received: int | None, now_s: float) -> Verdict:
        """Take one reading; `None` means that the session has no transport any more."""
        if packets_received is None:
            return Verdict.DEAD
        if packets_received != self.packets:
            self.packets, self.heard_at_s, self.poked = packets_received, now_s, False
            return Verdict.FINE
        silent_s = now_s - self.heard_at_s
        if silent_s >= self.dead_after_s:
            return Verdict.DEAD
        if silent_s >= self.poke_after_s and not self.poked:
            self.poked = True
            return Verdict.POKE
        return Verdict.FINE
