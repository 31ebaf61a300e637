"""RTP and RTCP packets (RFC 3550, RFC 4585, RFC 8285). Pure; everything that comes in is checked."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from skyriver.services.live.webrtc.errors import BadPacket

NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970
_VERSION = 0x80
_SR, _RR, _SDES, _BYE, _RTPFB, _PSFB = 200, 201, 202, 203, 205, 206
_NACK, _PLI, _FIR, _APPLICATION = 1, 1, 4, 15


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One packet without its header extensions and padding."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def is_rtcp(packet: bytes) -> bool:
    """Whether a packet on a shared port is RTCP (RFC 5761, section 4)."""
    return len(packet) > 1 and 192 <= packet[1] <= 223


def parse_rtp(packet: bytes) -> RtpPacket:
    """Raises BadPacket."""
    if len(packet) < 12 or packet[0] >> 6 != 2:
        raise BadPacket("This is no RTP packet.")
    sequence, timestamp, ssrc = struct.unpack_from("!HII", packet, 2)
    at = 12 + 4 * (packet[0] & 15)
    if packet[0] & 16:
        if len(packet) < at + 4:
            raise BadPacket("An RTP header extension is cut off.")
        at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
    end = len(packet)
    if packet[0] & 32:
        end -= packet[-1]
    if at > end:
        raise BadPacket("An RTP packet is shorter than its own header.")
    return RtpPacket(packet[1] & 127, packet[1] > 127, sequence, timestamp, ssrc, packet[at:end])


def build_rtp(packet: RtpPacket) -> bytes:
    """The bytes of a packet without extensions."""
    second = packet.payload_type | packet.marker << 7
    header = struct.pack("!BBHII", _VERSION, second, packet.sequence, packet.timestamp, packet.ssrc)
    return header + packet.payload


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What a sender's clock said when it sent which RTP time."""

    ssrc: int
    ntp: int
    """64-bit NTP time, seconds since 1900 in the upper half."""
    timestamp: int

    @property
    def ntp_ms(self) -> float:
        """Milliseconds of the sender's wall clock; its origin does not matter here."""
        return self.ntp * 1000 / (1 << 32)


@dataclass(frozen=True, slots=True)
class KeyframeRequest:
    """PLI or FIR: the receiver cannot decode on."""

    ssrc: int


@dataclass(frozen=True, slots=True)
class Lost:
    """NACK: the receiver misses these packets."""

    ssrc: int
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """From a receiver report: the share of packets lost since the last one."""

    ssrc: int
    fraction: float


def parse_rtcp(packet: bytes) -> Iterator[SenderReport | KeyframeRequest | Lost | Loss]:
    """What we know of in a compound packet; the rest is skipped. Raises BadPacket."""
    at = 0
    while at < len(packet):
        if len(packet) < at + 8 or packet[at] >> 6 != 2:
            raise BadPacket("This is no RTCP packet.")
        count, kind = packet[at] & 31, packet[at + 1]
        end = at + 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
        body = packet[at + 4 : end]
        if end > len(packet):
            raise BadPacket("An RTCP packet is cut off.")
        at = end
        if kind == _SR and len(body) >= 24:
            ssrc, ntp, timestamp = struct.unpack_from("!IQI", body)
            yield SenderReport(ssrc, ntp, timestamp)
            yield from _blocks(body[24:], count)
        elif kind == _RR:
            yield from _blocks(body[4:], count)
        elif kind == _RTPFB and count == _NACK and len(body) >= 8:
            yield Lost(int.from_bytes(body[4:8], "big"), _nacked(body[8:]))
        elif kind == _PSFB and count == _PLI and len(body) >= 8:
            yield KeyframeRequest(int.from_bytes(body[4:8], "big"))
        elif kind == _PSFB and count == _FIR and len(body) >= 12:
            yield KeyframeRequest(int.from_bytes(body[8:12], "big"))


def _blocks(body: bytes, count: int) -> Iterator[Loss]:
    for block in range(min(count, len(body) // 24)):
        ssrc, fraction = struct.unpack_from("!IB", body, 24 * block)
        yield Loss(ssrc, fraction / 256)


def _nacked(body: bytes) -> tuple[int, ...]:
    found = []
    for at in range(0, len(body) - 3, 4):
        first, mask = struct.unpack_from("!HH", body, at)
        found.append(first)
        found += [first + 1 + bit & 0xFFFF for bit in range(16) if mask >> bit & 1]
    return tuple(found)


def sender_report(ssrc: int, ntp: int, timestamp: int, packets: int, octets: int) -> bytes:
    """SR (RFC 3550, section 6.4.1)."""
    body = struct.pack("!IQIII", ssrc, ntp, timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
    return _rtcp(0, _SR, body)


@dataclass(frozen=True, slots=True)
class Reception:
    """One block of a receiver report (RFC 3550, section 6.4.1)."""

    ssrc: int
    fraction_lost: int
    lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    delay_since_sr: int


def receiver_report(ssrc: int, blocks: Sequence[Reception]) -> bytes:
    """RR."""
    body = struct.pack("!I", ssrc)
    for block in blocks:
        lost = max(-0x800000, min(block.lost, 0x7FFFFF)) & 0xFFFFFF
        body += struct.pack(
            "!IIIIII",
            block.ssrc,
            block.fraction_lost << 24 | lost,
            block.highest_sequence & 0xFFFFFFFF,
            block.jitter & 0xFFFFFFFF,
            block.last_sr,
            block.delay_since_sr & 0xFFFFFFFF,
        )
    return _rtcp(len(blocks), _RR, body)


def source_description(ssrc: int, name: str) -> bytes:
    """SDES with a CNAME, which every compound packet of a sender has to hold."""
    item = bytes((1, len(name))) + name.encode()
    body = ssrc.to_bytes(4, "big") + item
    return _rtcp(1, _SDES, body + bytes(4 - len(body) % 4))


def picture_loss(ssrc: int, media_ssrc: int) -> bytes:
    """PLI (RFC 4585, section 6.3.1): send a keyframe."""
    return _rtcp(_PLI, _PSFB, struct.pack("!II", ssrc, media_ssrc))


def negative_acknowledgement(ssrc: int, media_ssrc: int, sequences: Iterable[int]) -> bytes:
    """NACK (RFC 4585, section 6.2.1): send these again. Sequence numbers in ascending order."""
    fields: list[list[int]] = []
    for sequence in sequences:
        ahead = sequence - fields[-1][0] - 1 & 0xFFFF if fields else 16
        if ahead < 16:
            fields[-1][1] |= 1 << ahead
        else:
            fields.append([sequence, 0])
    body = struct.pack("!II", ssrc, media_ssrc) + b"".join(struct.pack("!HH", *pair) for pair in fields)
    return _rtcp(_NACK, _RTPFB, body)


def maximum_bitrate(ssrc: int, media_ssrcs: Sequence[int], bps: int) -> bytes:
    """REMB (draft-alvestrand-rmcat-remb-03): send no more than this."""
    exponent = max(0, bps.bit_length() - 18)
    body = struct.pack("!II4sB", ssrc, 0, b"REMB", len(media_ssrcs))
    body += (exponent << 18 | bps >> exponent).to_bytes(3, "big")
    return _rtcp(_APPLICATION, _PSFB, body + b"".join(s.to_bytes(4, "big") for s in media_ssrcs))


def _rtcp(count: int, kind: int, body: bytes) -> bytes:
    return struct.pack("!BBH", _VERSION | count, kind, len(body) // 4) + body
