"""One RTP stream that is sent: frames into packets, with their history for whoever missed some. Pure."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from skyriver.services.live.webrtc import rtp

HISTORY_PACKETS = 1024  # two seconds of 5 Mbit/s
_NTP_FRACTION = 1 << 32


class OutboundStream:
    """Numbers, times and counts of one stream.

    RTP time is media time (microseconds since 1970) in units of the clock, modulo 2**32; sender reports say the same,
    so that receivers put pictures and sound together.
    """

    def __init__(self, payload_type: int, clock_hz: int) -> None:
        self.ssrc = secrets.randbits(32)
        self.packets = 0
        self.octets = 0
        self._payload_type = payload_type
        self._clock_hz = clock_hz
        self._sequence = secrets.randbits(15)  # below the wrap, which SRTP must not meet at once (RFC 3711, 3.3.1)
        self._offset = secrets.randbits(32)
        self._history: OrderedDict[int, bytes] = OrderedDict()

    def timestamp(self, pts_us: int) -> int:
        """The RTP time of a moment of media time."""
        return (pts_us * self._clock_hz // 1_000_000 + self._offset) & 0xFFFFFFFF

    def packets_of(self, payloads: Iterable[tuple[bytes, bool]], pts_us: int) -> Iterator[bytes]:
        """RTP packets of one frame, from (payload, whether it is the last)."""
        timestamp = self.timestamp(pts_us)
        for payload, last in payloads:
            self._sequence = self._sequence + 1 & 0xFFFF
            packet = rtp.RtpPacket(self._payload_type, last, self._sequence, timestamp, self.ssrc, payload)
            self.packets += 1
            self.octets += len(payload)
            data = rtp.build_rtp(packet)
            self._history[self._sequence] = data
            if len(self._history) > HISTORY_PACKETS:
                self._history.popitem(last=False)
            yield data

    def again(self, sequences: Iterable[int]) -> Iterator[bytes]:
        """Packets that were sent and missed, as far as they are remembered."""
        for sequence in sequences:
            if (packet := self._history.get(sequence)) is not None:
                yield packet

    def report(self, now_us: int) -> bytes:
        """A sender report with its description, for `now_us` of media time."""
        seconds, fraction_us = divmod(now_us, 1_000_000)
        ntp = (seconds + rtp.NTP_EPOCH_S) * _NTP_FRACTION + fraction_us * _NTP_FRACTION // 1_000_000
        report = rtp.sender_report(self.ssrc, ntp, self.timestamp(now_us), self.packets, self.octets)
        return report + rtp.source_description(self.ssrc, "skyriver")
