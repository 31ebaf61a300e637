"""HEVC parameter sets (ITU-T H.265, 7.3.1 to 7.3.2), and FLV's form of them (ISO/IEC 14496-15, 8.3.3.1)."""

from __future__ import annotations

from dataclasses import dataclass

from skyriver.services.live.stations.codecs.bits import BitReader
from skyriver.services.live.stations.codecs.h264 import (
    MAX_PARAMETER_SETS_BYTES,
    START_CODE,
    NalKinds,
    prefixed_to_annexb,
)
from skyriver.services.live.stations.codecs.sps import MAX_SIDE, MAX_SPS_BYTES
from skyriver.services.live.stations.errors import DamagedMedia
from skyriver.services.live.stations.events import VideoConfig

VPS, SPS, PPS, DELIMITER = 32, 33, 34, 35
KEYFRAMES = frozenset(range(16, 22))  # IRAP pictures, table 7-1
_KINDS = NalKinds(1, 63, DELIMITER, SPS, KEYFRAMES)
_CHROMA = ("4:0:0", "4:2:0", "4:2:2", "4:4:4")
_PROFILES = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Range Extensions", 9: "Screen Content"}


@dataclass(frozen=True, slots=True)
class HevcRecord:
    """How long length prefixes are, and the parameter sets."""

    length_bytes: int
    vps: tuple[bytes, ...]
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]

    @property
    def annexb(self) -> bytes:
        """Every parameter set with a start code."""
        return b"".join(START_CODE + nal for nal in self.vps + self.sps + self.pps)

    def video_config(self) -> VideoConfig:
        """What the first SPS says. Raises DamagedMedia when it cannot be read."""
        return _video_config(self.sps[0], self.annexb)


def parse_hevc_record(data: bytes) -> HevcRecord:
    """Read an HEVCDecoderConfigurationRecord (8.3.3.1.2). Raises DamagedMedia."""
    if len(data) > MAX_PARAMETER_SETS_BYTES:
        raise DamagedMedia(f"An HEVC sequence header of {len(data)} bytes; the limit is {MAX_PARAMETER_SETS_BYTES}.")
    if len(data) < 23 or data[0] != 1:
        raise DamagedMedia("The HEVC sequence header is no HEVCDecoderConfigurationRecord.")
    found: dict[int, list[bytes]] = {VPS: [], SPS: [], PPS: []}
    at = 23
    for _ in range(data[22]):
        kind, count = data[at] & 63 if at < len(data) else 0, int.from_bytes(data[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            size = int.from_bytes(data[at : at + 2], "big")
            nal = data[at + 2 : at + 2 + size]
            if not nal or len(nal) < size:
                raise DamagedMedia("A parameter set in the HEVC sequence header is empty or cut off.")
            found.get(kind, []).append(nal)
            at += 2 + size
    if not all(found.values()):
        raise DamagedMedia("The HEVC sequence header has no VPS, no SPS or no PPS.")
    return HevcRecord((data[21] & 3) + 1, tuple(found[VPS]), tuple(found[SPS]), tuple(found[PPS]))


def to_annexb(units: memoryview, record: HevcRecord, *, keyframe: bool) -> tuple[bytes, bool]:
    """One access unit with start codes; see `prefixed_to_annexb`."""
    return prefixed_to_annexb(units, record, _KINDS, keyframe=keyframe)


def _video_config(sps: bytes, annexb: bytes) -> VideoConfig:
    if not 8 <= len(sps) <= MAX_SPS_BYTES or sps[0] >> 1 & 63 != SPS:
        raise DamagedMedia(f"{len(sps)} bytes that should be an HEVC sequence parameter set are none.")
    reader = BitReader(sps[2:].replace(b"\0\0\3", b"\0\0"))
    reader.bits(4)  # sps_video_parameter_set_id
    sub_layers = reader.bits(3)  # sps_max_sub_layers_minus1
    reader.flag()  # sps_temporal_id_nesting_flag
    space, high_tier, profile_idc = reader.bits(2), reader.flag(), reader.bits(5)
    compatibility, constraints, level_idc = reader.bits(32), reader.bits(48), reader.bits(8)
    _skip_sub_layers(reader, sub_layers)
    reader.unsigned()  # sps_seq_parameter_set_id
    chroma_idc = reader.unsigned()
    if chroma_idc > 3:
        raise DamagedMedia(f"An HEVC sequence parameter set names chroma format {chroma_idc}; there are 0 to 3.")
    if chroma_idc == 3:
        reader.flag()  # separate_colour_plane_flag
    width, height = reader.unsigned(), reader.unsigned()
    if reader.flag():  # conformance_window_flag
        left, right, top, bottom = (reader.unsigned() for _ in range(4))
        width -= (left + right) * (2 if chroma_idc in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma_idc == 1 else 1)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise DamagedMedia(f"An HEVC sequence parameter set claims a picture of {width}x{height}.")
    bit_depth = reader.unsigned() + 8
    if bit_depth > 16:
        raise DamagedMedia(f"An HEVC sequence parameter set names {bit_depth} bits a sample; HEVC ends at 16.")
    progressive, interlaced = constraints >> 47 & 1, constraints >> 46 & 1
    return VideoConfig(
        codec=_codec(space, profile_idc, compatibility, high_tier, level_idc, constraints),
        profile=_PROFILES.get(profile_idc, f"profile {profile_idc}"),
        level=level_idc / 30,
        width=width,
        height=height,
        fps=None,
        bit_depth=bit_depth,
        chroma=_CHROMA[chroma_idc],
        interlaced=bool(interlaced and not progressive),
        parameter_sets_annexb=annexb,
    )


def _skip_sub_layers(reader: BitReader, count: int) -> None:
    """The rest of profile_tier_level() (7.3.3)."""
    present = [(reader.flag(), reader.flag()) for _ in range(count)]
    if count:
        for _ in range(count, 8):
            reader.bits(2)
    for profile, level in present:
        if profile:
            reader.bits(88)
        if level:
            reader.bits(8)


def _codec(space: int, profile_idc: int, compatibility: int, high_tier: bool, level_idc: int, constraints: int) -> str:
    """RFC 6381 with in-band parameter sets (ISO/IEC 14496-15, annex E.3): `hev1.1.6.L93.90`."""
    reversed_flags = int(f"{compatibility:032b}"[::-1], 2)
    parts = [f"{('', 'A', 'B', 'C')[space]}{profile_idc}", f"{reversed_flags:X}", f"{'LH'[high_tier]}{level_idc}"]
    parts += [f"{byte:X}" for byte in constraints.to_bytes(6, "big").rstrip(b"\0")]
    return ".".join(["hev1", *parts])
