"""What little of H.264 the transcoder reads itself (ITU-T H.264, 7.3.1 and 7.4.2.1), and what browsers can play."""

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
    """Whether browsers decode this (RFC 6381).

    H.264: Baseline, Main and High, which are 8 bit 4:2:0 (ISO 14496-10 Annex A). Cameras and encoders may send High 10
    or 4:2:2; those have to be encoded again before anybody sees them. HEVC: only some browsers, on some hardware. AV1
    and VP9: their 4:2:0 profiles (0), 8 bit, which every current browser on a computer or Android decodes.
    """
    name, *rest = codec.split(".")
    if name in ("avc1", "avc3"):
        return bool(rest) and rest[0][:2] in {"42", "4d", "64"}
    if name == "av01":
        return len(rest) >= 3 and rest[0] == "0" and rest[2] == "08"
    return name == "vp09" and len(rest) >= 3 and rest[0] == "00" and rest[2] == "08"
