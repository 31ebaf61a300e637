"""STUN as far as an ICE-lite agent needs it: checks in, answers out (RFC 8489; RFC 8445, section 7.3). Pure."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import zlib
from dataclasses import dataclass

from skyriver.services.live.webrtc.errors import BadPacket

_COOKIE = 0x2112A442
_COOKIE_BYTES = _COOKIE.to_bytes(4, "big")
_HEADER_BYTES = 20
_REQUEST, _RESPONSE = 0x0001, 0x0101
_USERNAME, _INTEGRITY, _XOR_MAPPED_ADDRESS, _USE_CANDIDATE, _FINGERPRINT = 0x0006, 0x0008, 0x0020, 0x0025, 0x8028
_FINGERPRINT_XOR = 0x5354554E
MAX_USERNAME_BYTES = 513  # RFC 8489, section 14.3


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A connectivity check whose integrity is yet to be verified."""

    transaction_id: bytes
    username: str
    """`<our fragment>:<theirs>`."""
    use_candidate: bool
    signed: bytes
    """What the integrity covers."""
    integrity: bytes

    @property
    def local_fragment(self) -> str:
        """Our side's ICE user name fragment, which tells whom it is for."""
        return self.username.partition(":")[0]

    def is_signed_with(self, password: str) -> bool:
        """Whether its sender knows our side's ICE password."""
        return hmac.compare_digest(hmac.digest(password.encode(), self.signed, hashlib.sha1), self.integrity)


def parse_request(datagram: bytes) -> BindingRequest | None:
    """A binding request; None for any other STUN message. Raises BadPacket."""
    if len(datagram) < _HEADER_BYTES or datagram[4:8] != _COOKIE_BYTES:
        raise BadPacket("This datagram is no STUN message.")
    length = int.from_bytes(datagram[2:4], "big")
    if length % 4 or length != len(datagram) - _HEADER_BYTES:
        raise BadPacket("A STUN message says that it has another length than it has.")
    if int.from_bytes(datagram[:2], "big") != _REQUEST:
        return None
    username, use_candidate, at = "", False, _HEADER_BYTES
    while at + 4 <= len(datagram):
        kind, size = int.from_bytes(datagram[at : at + 2], "big"), int.from_bytes(datagram[at + 2 : at + 4], "big")
        value = datagram[at + 4 : at + 4 + size]
        if len(value) < size:
            raise BadPacket("A STUN attribute is cut off.")
        if kind == _USERNAME:
            if size > MAX_USERNAME_BYTES:
                raise BadPacket("A STUN user name is too long.")
            username = value.decode("utf-8", "replace")
        elif kind == _USE_CANDIDATE:
            use_candidate = True
        elif kind == _INTEGRITY:
            # Covers everything before it, with a length as if it were the last attribute (section 14.5).
            covered = datagram[:2] + (at + 24 - _HEADER_BYTES).to_bytes(2, "big") + datagram[4:at]
            return BindingRequest(datagram[8:20], username, use_candidate, covered, value)
        at += 4 + (size + 3) // 4 * 4
    raise BadPacket("A connectivity check is not signed.")


def success(request: BindingRequest, address: tuple[str, int], password: str) -> bytes:
    """The answer to a good check: the address that it came from, signed."""
    out = bytearray(_RESPONSE.to_bytes(2, "big") + bytes(2) + _COOKIE_BYTES + request.transaction_id)
    ip = ipaddress.ip_address(address[0])
    mask = (_COOKIE_BYTES + request.transaction_id)[: len(ip.packed)]
    mapped = bytes((0, 1 if ip.version == 4 else 2)) + (address[1] ^ _COOKIE >> 16).to_bytes(2, "big")
    mapped += bytes(a ^ b for a, b in zip(ip.packed, mask, strict=True))
    _append(out, _XOR_MAPPED_ADDRESS, mapped)
    out[2:4] = (len(out) + 24 - _HEADER_BYTES).to_bytes(2, "big")
    _append(out, _INTEGRITY, hmac.digest(password.encode(), bytes(out), hashlib.sha1))
    out[2:4] = (len(out) + 8 - _HEADER_BYTES).to_bytes(2, "big")
    _append(out, _FINGERPRINT, (zlib.crc32(out) ^ _FINGERPRINT_XOR).to_bytes(4, "big"))
    return bytes(out)


def _append(out: bytearray, kind: int, value: bytes) -> None:
    out += kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value
