"""H.264 in RTP (RFC 6184): NAL units out of packets, and into them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from skyriver.services.live.webrtc.errors import BadPacket
from skyriver.services.live.webrtc.reorder import InOrder

MAX_PICTURE_BYTES = 8 << 20  # a 4K keyframe at 100 Mbit/s is about 4 MiB
PAYLOAD_BYTES = 1100  # with SRTP's tag, RTP, UDP and IPv6 headers below 1200, which every path carries
_STAP_A, _FU_A = 24, 28


class Depacketiser:
    """Access units out of packets that are in order.

    An access unit ends with its marker bit, or where the RTP time changes. One with a hole in it is dropped whole, and
    so is everything after it up to the next keyframe (an IDR slice): `broken` says that one should be asked for.
    """

    def __init__(self) -> None:
        self._nals: list[bytes] = []
        self._fragment: bytearray | None = None
        self._size_bytes = 0
        self._timestamp: int | None = None
        self._damaged = False
        self.broken = True
        """Whether pictures are dropped until a keyframe comes; so it is at the start."""
        self.dropped = 0

    def take(self, item: InOrder) -> Iterator[tuple[int, list[bytes]]]:
        """(RTP time, NAL units) of each access unit that this packet completes. Raises BadPacket over a limit."""
        packet = item.packet
        if self._timestamp is not None and packet.timestamp != self._timestamp:
            yield from self._finish()
        if item.after_hole:
            self._damaged = self.broken = True
            self._fragment = None
        self._timestamp = packet.timestamp
        if packet.payload:
            self._unpack(packet.payload)
        if packet.marker:
            yield from self._finish()

    def _finish(self) -> Iterator[tuple[int, list[bytes]]]:
        nals, timestamp, damaged = self._nals, self._timestamp, self._damaged or self._fragment is not None
        self._nals, self._fragment, self._size_bytes = [], None, 0
        self._timestamp, self._damaged = None, False
        if damaged:
            self.broken = True
        elif any(nal[0] & 31 == 5 for nal in nals):
            self.broken = False
        if damaged or (nals and self.broken):
            self.dropped += 1
            nals = [] if damaged else [nal for nal in nals if nal[0] & 31 in (7, 8)]
        if nals and timestamp is not None:
            yield timestamp, nals

    def _unpack(self, payload: bytes) -> None:
        self._size_bytes += len(payload)
        if self._size_bytes > MAX_PICTURE_BYTES:
            raise BadPacket(f"A picture of more than {MAX_PICTURE_BYTES} bytes.")
        kind = payload[0] & 31
        if 1 <= kind <= 23:
            self._nals.append(payload)
        elif kind == _STAP_A:
            at = 1
            while at + 2 < len(payload):
                size = int.from_bytes(payload[at : at + 2], "big")
                nal = payload[at + 2 : at + 2 + size]
                if not nal or len(nal) < size:
                    self._damaged = True
                    return
                self._nals.append(nal)
                at += 2 + size
        elif kind == _FU_A and len(payload) > 2:
            if payload[1] & 0x80:
                self._fragment = bytearray((payload[0] & 0xE0 | payload[1] & 31,))
            if self._fragment is None:
                self._damaged = True
                return
            self._fragment += payload[2:]
            if payload[1] & 0x40:
                self._nals.append(bytes(self._fragment))
                self._fragment = None
        else:
            self._damaged = True  # interleaved modes are not negotiated


def packetise(nals: list[bytes]) -> Iterator[tuple[bytes, bool]]:
    """(payload, whether it is the last of its access unit) of each packet; large NAL units in fragments."""
    for index, nal in enumerate(nals):
        last_nal = index == len(nals) - 1
        if len(nal) <= PAYLOAD_BYTES:
            yield nal, last_nal
            continue
        indicator, kind = nal[0] & 0xE0 | _FU_A, nal[0] & 31
        for at in range(1, len(nal), PAYLOAD_BYTES):
            end = at + PAYLOAD_BYTES >= len(nal)
            flags = 0x80 * (at == 1) | 0x40 * end
            yield bytes((indicator, flags | kind)) + nal[at : at + PAYLOAD_BYTES], end and last_nal
