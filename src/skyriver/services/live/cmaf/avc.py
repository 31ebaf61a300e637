"""H.264 in CMAF: Annex B (start codes) into length prefixes, and the decoder's configuration (ISO/IEC 14496-15)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from skyriver.services.live.stations.codecs.sps import parse_sps

_IDR, _SPS, _PPS, _DELIMITER, _END_OF_SEQUENCE, _END_OF_STREAM, _FILLER, _SPS_EXTENSION = 5, 7, 8, 9, 10, 11, 12, 13
_LEFT_OUT = frozenset((_DELIMITER, _END_OF_SEQUENCE, _END_OF_STREAM, _FILLER))
_START = b"\0\0\1"
_CHROMA_IDC = {"4:0:0": 0, "4:2:0": 1, "4:2:2": 2, "4:4:4": 3}
_WITH_CHROMA_IN_RECORD = frozenset((100, 110, 122, 144, 244))  # 5.3.3.1.2
_REORDER_UNKNOWN = 2
"""Frames to wait where the SPS does not say how many are reordered: encoders for live use reorder that many or none."""


@dataclass(frozen=True)
class AvcParameterSets:
    """The parameter sets before a keyframe."""

    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]

    @property
    def width(self) -> int:
        return parse_sps(self.sps[0]).width

    @property
    def height(self) -> int:
        return parse_sps(self.sps[0]).height

    @property
    def codec(self) -> str:
        """RFC 6381 with parameter sets in the init segment, `avc1.64001f`."""
        return f"avc1.{self.sps[0][1:4].hex()}"

    @property
    def reorder(self) -> int:
        """How many frames may come before one that is shown earlier."""
        stated = parse_sps(self.sps[0]).reorder_frames
        return _REORDER_UNKNOWN if stated is None else stated

    def record(self) -> bytes:
        """The AVCDecoderConfigurationRecord (5.3.3.1), for prefixes of four bytes."""
        sps = parse_sps(self.sps[0])
        parts = [b"\x01", self.sps[0][1:4], bytes((0xFF, 0xE0 | len(self.sps)))]
        parts += [struct.pack(">H", len(nal)) + nal for nal in self.sps]
        parts.append(bytes((len(self.pps),)))
        parts += [struct.pack(">H", len(nal)) + nal for nal in self.pps]
        if sps.profile_idc in _WITH_CHROMA_IN_RECORD:
            depth = 0xF8 | (sps.bit_depth - 8)
            parts.append(bytes((0xFC | _CHROMA_IDC[sps.chroma], depth, depth, 0)))
        return b"".join(parts)


def length_prefixed(annexb: bytes) -> tuple[bytes, bool, AvcParameterSets | None]:
    """One access unit with length prefixes, whether it is an IDR picture, and the parameter sets it brought.

    Parameter sets, delimiters and filler are left out of the sample: `avc1` has the former in the init segment.
    """
    pieces: list[bytes | memoryview] = []
    sps: list[bytes] = []
    pps: list[bytes] = []
    sync = False
    view = memoryview(annexb)
    for begin, end in nal_units(annexb):
        kind = annexb[begin] & 31
        if kind == _SPS:
            sps.append(annexb[begin:end])
        elif kind == _PPS:
            pps.append(annexb[begin:end])
        elif kind not in _LEFT_OUT and kind != _SPS_EXTENSION:
            sync = sync or kind == _IDR
            pieces += (struct.pack(">I", end - begin), view[begin:end])
    sets = AvcParameterSets(tuple(sps[:31]), tuple(pps[:255])) if sps and pps else None
    return b"".join(pieces), sync, sets


def nal_units(annexb: bytes) -> list[tuple[int, int]]:
    """Where each NAL unit of an Annex-B byte stream begins and ends (ITU-T H.264 B.1); empty ones are left out."""
    units = []
    start = annexb.find(_START)
    while start >= 0:
        begin = start + 3
        start = annexb.find(_START, begin)
        end = len(annexb) if start < 0 else start
        while end > begin and annexb[end - 1] == 0:  # a four-byte start code's first zero, and trailing zeros
            end -= 1
        if end > begin:
            units.append((begin, end))
    return units
