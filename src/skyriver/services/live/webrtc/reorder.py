"""Packets of one RTP stream back into order, holes asked for again, and given up in time. Pure; times in seconds.

Rules. A packet that is next goes out at once. One that is ahead waits, and what is missing before it is asked for
(NACK) at once and then every `retry_s`, until it comes or is `patience_s` old; then the hole is passed over, and the
next packet goes out as one `after_hole`. More than `max_held` waiting packets do the same at once. Late ones are
dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from skyriver.services.live.webrtc.rtp import RtpPacket

_WRAP = 1 << 16
_HALF = _WRAP // 2
_MOST_ASKED = 128  # in one NACK; a larger hole is a broken network, and a keyframe mends it sooner


@dataclass(frozen=True, slots=True)
class InOrder:
    """The next packet; `after_hole` when something before it is lost for good."""

    packet: RtpPacket
    after_hole: bool


class Reorder:
    """The packets of one stream (one SSRC)."""

    def __init__(self, *, patience_s: float, retry_s: float = 0.04, max_held: int = 1024) -> None:
        self._patience_s = patience_s
        self._retry_s = retry_s
        self._max_held = max_held
        self._next: int | None = None
        self._held: dict[int, RtpPacket] = {}
        self._missing: dict[int, tuple[float, float]] = {}
        self.received = 0
        self.lost = 0
        self.highest = 0
        """The highest sequence number, extended by the count of wraps (and one)."""
        self.first = 0

    def take(self, packet: RtpPacket, now_s: float) -> Iterator[InOrder]:
        """One packet as it came; yields what is now in order."""
        self.received += 1
        if self._next is None:
            self._next = self.first = packet.sequence + _WRAP
            self.highest = self._next - 1
        sequence = self._extend(packet.sequence)
        if sequence < self._next or sequence in self._held:
            return
        if sequence - self.highest > self._max_held:  # the sender began anew, or was away for seconds
            self._missing.clear()
        else:
            for absent in range(self.highest + 1, sequence):
                self._missing[absent] = (now_s, -1.0)
        self.highest = max(self.highest, sequence)
        self._held[sequence] = packet
        self._missing.pop(sequence, None)
        yield from self.expire(now_s)

    def expire(self, now_s: float) -> Iterator[InOrder]:
        """What goes out because its turn has come, or because nothing better will."""
        after_hole = False
        while self._held and self._next is not None:
            packet = self._held.pop(self._next, None)
            if packet is not None:
                yield InOrder(packet, after_hole)
                after_hole = False
                self._next += 1
                continue
            since_s, _ = self._missing.get(self._next, (now_s - self._patience_s, 0.0))
            if now_s - since_s < self._patience_s and len(self._held) < self._max_held:
                return
            after_hole = True
            following = min(self._held)
            for absent in [s for s in self._missing if s < following]:
                del self._missing[absent]
            self.lost += following - self._next
            self._next = following

    def to_ask(self, now_s: float) -> list[int]:
        """Sequence numbers to send a NACK for now."""
        due = [s for s, (_, asked_s) in self._missing.items() if now_s - asked_s >= self._retry_s]
        due = sorted(due)[:_MOST_ASKED]
        for sequence in due:
            self._missing[sequence] = (self._missing[sequence][0], now_s)
        return [sequence & 0xFFFF for sequence in due]

    def _extend(self, sequence: int) -> int:
        """The number without its wraps, near the highest that was seen."""
        step = (sequence - self.highest + _HALF) % _WRAP - _HALF
        return self.highest + step
