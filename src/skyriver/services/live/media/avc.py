"""What little of H.264 the transcoder reads itself (ITU-T H.264, 7.3.1 and 7.4.2.1)."""

from __future__ import annotations

_SPS = 7


def avc3_codec(access_unit: bytes) -> str | None:
    """The RFC 6381 codec string (`avc3.64001e`) by the first SPS of an Annex-B access unit; None without one."""
    at = access_unit.find(b"\x00\x00\x01")
    while at >= 0 and at + 7 <= len(access_unit):
        if access_unit[at + 3] & 31 == _SPS:
            return f"avc3.{access_unit[at + 4 : at + 7].hex()}"
        at = access_unit.find(b"\x00\x00\x01", at + 3)
    return None
