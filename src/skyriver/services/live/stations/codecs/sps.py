"""H.264 sequence parameter sets (ITU-T H.264 7.3.2.1.1 and annex E), as far as size, rate and profile need."""

from __future__ import annotations

from dataclasses import dataclass

from skyriver.services.live.stations.codecs.bits import BitReader
from skyriver.services.live.stations.errors import DamagedMedia

MAX_SPS_BYTES = 1024  # real ones have 10 to 60 bytes, with every scaling list about 500
MAX_SIDE = 16_384  # level 6.2 allows about this in one direction (A.3.1)

_HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10", 122: "High 4:2:2"}
_PROFILES |= {244: "High 4:4:4 Predictive", 44: "CAVLC 4:4:4 Intra"}
_CHROMA = ("4:0:0", "4:2:0", "4:2:2", "4:4:4")
_BASELINE = 66
_EXTENDED_SAR = 255
_MAX_DPB_FRAMES = 16  # A.3.1
_PLAUSIBLE_FPS = (1.0, 300.0)  # outside: a container's time base (FLV: 1000) written where a frame rate belongs


@dataclass(frozen=True, slots=True)
class Sps:
    """What one SPS says. Sizes are after cropping; `fps` is None where it is missing or implausible."""

    profile_idc: int
    constraints: int
    level_idc: int
    width: int
    height: int
    fps: float | None
    bit_depth: int
    chroma: str
    interlaced: bool
    reorder_frames: int | None = None
    """How many frames may be decoded before one that is shown earlier; None where the SPS does not say."""

    @property
    def profile(self) -> str:
        """The profile's name in H.264 annex A."""
        if self.profile_idc == 66 and self.constraints & 0x40:
            return "Constrained Baseline"
        return _PROFILES.get(self.profile_idc, f"profile {self.profile_idc}")

    @property
    def level(self) -> float:
        """4.1 for level_idc 41."""
        return self.level_idc / 10

    @property
    def codec(self) -> str:
        """RFC 6381 with in-band parameter sets, `avc3.64001f`."""
        return f"avc3.{self.profile_idc:02x}{self.constraints:02x}{self.level_idc:02x}"


def parse_sps(nal: bytes) -> Sps:
    """Read one SPS NAL unit (without start code). Raises DamagedMedia."""
    if not 4 <= len(nal) <= MAX_SPS_BYTES or nal[0] & 31 != 7:
        raise DamagedMedia(f"{len(nal)} bytes that should be an H.264 sequence parameter set are none.")
    reader = BitReader(nal[1:].replace(b"\0\0\3", b"\0\0"))  # emulation prevention, 7.4.1
    profile_idc, constraints, level_idc = reader.bits(8), reader.bits(8), reader.bits(8)
    reader.unsigned()  # seq_parameter_set_id
    chroma_idc, bit_depth, separate_planes = 1, 8, False
    if profile_idc in _HIGH_PROFILES:
        chroma_idc, bit_depth, separate_planes = _high_profile_fields(reader)
    in_order = _skip_frame_numbering(reader)
    reader.unsigned()  # max_num_ref_frames
    reader.flag()  # gaps_in_frame_num_value_allowed_flag
    width_mbs, map_units = reader.unsigned() + 1, reader.unsigned() + 1
    frame_mbs_only = reader.flag()
    if not frame_mbs_only:
        reader.flag()  # mb_adaptive_frame_field_flag
    reader.flag()  # direct_8x8_inference_flag
    height = map_units * 16 * (2 - frame_mbs_only)
    array_chroma_idc = 0 if separate_planes else chroma_idc
    width, height = _cropped(reader, width_mbs * 16, height, array_chroma_idc, frame_mbs_only)
    fps, reorder_frames = _vui(reader) if reader.flag() else (None, None)
    if in_order or profile_idc == _BASELINE:
        reorder_frames = 0
    chroma, interlaced = _CHROMA[chroma_idc], not frame_mbs_only
    return Sps(profile_idc, constraints, level_idc, width, height, fps, bit_depth, chroma, interlaced, reorder_frames)


def _high_profile_fields(reader: BitReader) -> tuple[int, int, bool]:
    chroma_idc = reader.unsigned()
    if chroma_idc > 3:
        raise DamagedMedia(f"A sequence parameter set names chroma format {chroma_idc}; there are 0 to 3.")
    separate_planes = chroma_idc == 3 and reader.flag()
    bit_depth = reader.unsigned() + 8
    if bit_depth > 14:
        raise DamagedMedia(f"A sequence parameter set names {bit_depth} bits a sample; H.264 ends at 14.")
    reader.unsigned()  # bit_depth_chroma_minus8
    reader.flag()  # qpprime_y_zero_transform_bypass_flag
    if reader.flag():
        for index in range(12 if chroma_idc == 3 else 8):
            if reader.flag():
                _skip_scaling_list(reader, 16 if index < 6 else 64)
    return chroma_idc, bit_depth, separate_planes


def _skip_scaling_list(reader: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + reader.signed()) % 256
        last = following or last


def _skip_frame_numbering(reader: BitReader) -> bool:
    """Whether it says that frames are shown in the order in which they are decoded."""
    reader.unsigned()  # log2_max_frame_num_minus4
    order_type = reader.unsigned()
    if order_type == 0:
        reader.unsigned()  # log2_max_pic_order_cnt_lsb_minus4
    elif order_type == 1:
        reader.flag()  # delta_pic_order_always_zero_flag
        reader.signed()  # offset_for_non_ref_pic
        reader.signed()  # offset_for_top_to_bottom_field
        cycle = reader.unsigned()
        if cycle > 255:
            raise DamagedMedia(f"A sequence parameter set has a picture order cycle of {cycle}; the limit is 255.")
        for _ in range(cycle):
            reader.signed()
    elif order_type > 2:
        raise DamagedMedia(f"A sequence parameter set names picture order type {order_type}; there are 0 to 2.")
    return order_type == 2


def _cropped(reader: BitReader, width: int, height: int, chroma_idc: int, frame_mbs_only: bool) -> tuple[int, int]:
    if reader.flag():
        unit_x = 2 if chroma_idc in (1, 2) else 1
        unit_y = (2 if chroma_idc == 1 else 1) * (2 - frame_mbs_only)
        left, right, top, bottom = (reader.unsigned() for _ in range(4))
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise DamagedMedia(f"A sequence parameter set claims a picture of {width}x{height}.")
    return width, height


def _vui(reader: BitReader) -> tuple[float | None, int | None]:
    """The frame rate and the number of reordered frames, as far as the VUI parameters tell (E.1.1)."""
    if reader.flag() and reader.bits(8) == _EXTENDED_SAR:
        reader.bits(32)
    if reader.flag():  # overscan_info_present_flag
        reader.flag()
    if reader.flag():  # video_signal_type_present_flag
        reader.bits(4)
        if reader.flag():
            reader.bits(24)
    if reader.flag():  # chroma_loc_info_present_flag
        reader.unsigned()
        reader.unsigned()
    fps = None
    if reader.flag():  # timing_info_present_flag
        units, scale = reader.bits(32), reader.bits(32)
        fps = scale / (2 * units) if units else 0.0
    try:
        if fps is not None:
            reader.flag()  # fixed_frame_rate_flag
        reorder_frames = _reorder_frames(reader)
    except DamagedMedia:  # some encoders end here, and what they left out is no more than a hint
        reorder_frames = None
    plausible = fps is not None and _PLAUSIBLE_FPS[0] <= fps <= _PLAUSIBLE_FPS[1]
    return fps if plausible else None, reorder_frames


def _reorder_frames(reader: BitReader) -> int | None:
    """The rest of the VUI parameters, up to max_num_reorder_frames."""
    nal_hrd = reader.flag()
    if nal_hrd:
        _skip_hrd(reader)
    vcl_hrd = reader.flag()
    if vcl_hrd:
        _skip_hrd(reader)
    if nal_hrd or vcl_hrd:
        reader.flag()  # low_delay_hrd_flag
    reader.flag()  # pic_struct_present_flag
    if not reader.flag():  # bitstream_restriction_flag
        return None
    reader.flag()  # motion_vectors_over_pic_boundaries_flag
    for _ in range(4):  # max_bytes_per_pic_denom, max_bits_per_mb_denom, log2_max_mv_length_horizontal, _vertical
        reader.unsigned()
    frames = reader.unsigned()
    return frames if frames <= _MAX_DPB_FRAMES else None


def _skip_hrd(reader: BitReader) -> None:
    """hrd_parameters() (E.1.2)."""
    count = reader.unsigned() + 1
    if count > 32:
        raise DamagedMedia(f"A sequence parameter set has {count} coded picture buffers; there are 1 to 32.")
    reader.bits(8)  # bit_rate_scale, cpb_size_scale
    for _ in range(count):
        reader.unsigned()  # bit_rate_value_minus1
        reader.unsigned()  # cpb_size_value_minus1
        reader.flag()  # cbr_flag
    reader.bits(20)  # four lengths of five bits
