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


def plays_in_browsers(codec: str) -> bool:
    """Whether browsers decode this `avc3.…`: Baseline, Main and High, which are 8 bit 4:2:0 (ISO 14496-10 Annex A).

    Cameras and encoders may send High 10 or 4:2:2; those have to be encoded again before anybody sees them.
    """
    return codec[5:7] in {"42", "4d", "64"}
