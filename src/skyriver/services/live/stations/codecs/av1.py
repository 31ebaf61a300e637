"""AV1: what its sequence header says (AV1 bitstream specification, 5.5), and temporal units as decoders take them."""

from __future__ import annotations

from dataclasses import dataclass

from skyriver.services.live.stations.codecs.bits import BitReader
from skyriver.services.live.stations.codecs.sps import MAX_SIDE
from skyriver.services.live.stations.errors import DamagedMedia
from skyriver.services.live.stations.events import VideoConfig

MAX_RECORD_BYTES = 4 << 10
MAX_UNITS = 1024  # OBUs of one temporal unit: at most one per tile and a few headers
_SEQUENCE_HEADER, _TEMPORAL_DELIMITER = 1, 2
_PROFILES = ("Main", "High", "Professional")


@dataclass(frozen=True, slots=True)
class Av1Record:
    """An AV1CodecConfigurationRecord: the sequence header, as an OBU with its size."""

    sequence_header: bytes
    video: VideoConfig


def parse_av1_record(data: bytes) -> Av1Record:
    """Read an AV1CodecConfigurationRecord (AV1 in ISO base media files, 2.3.3). Raises DamagedMedia."""
    if not 5 <= len(data) <= MAX_RECORD_BYTES or data[0] != 0x81:
        raise DamagedMedia("The AV1 sequence header is no AV1CodecConfigurationRecord.")
    for kind, at, body, end in _obus(data[4:]):
        if kind == _SEQUENCE_HEADER:
            units = data[4:]
            return Av1Record(units[at:end], _video_config(units[body:end], data))
    raise DamagedMedia("The AV1 configuration has no sequence header.")


def to_temporal_unit(payload: bytes, record: Av1Record, *, keyframe: bool) -> bytes:
    """One temporal unit without its delimiter; the sequence header stands before each keyframe."""
    begins, has_header = 0, False
    for kind, _, _, end in _obus(payload):
        if kind == _TEMPORAL_DELIMITER and end <= 2:
            begins = end
        has_header |= kind == _SEQUENCE_HEADER
    unit = payload[begins:]
    return record.sequence_header + unit if keyframe and unit and not has_header else unit


def _obus(data: bytes) -> list[tuple[int, int, int, int]]:
    """(type, where its header, its body and its end are) of each OBU (5.3.1). All but the last have a size."""
    found: list[tuple[int, int, int, int]] = []
    at = 0
    while at < len(data):
        header = data[at]
        body = at + 1 + (header >> 2 & 1)
        end = len(data)
        if header & 2:
            size, body = _leb128(data, body)
            end = body + size
        if header & 0x80 or end > len(data) or len(found) == MAX_UNITS:
            raise DamagedMedia("A picture is no temporal unit of AV1: its OBUs do not fit together.")
        found.append((header >> 3 & 15, at, body, end))
        at = end
    return found


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        if at + index >= len(data):
            break
        value |= (data[at + index] & 127) << 7 * index
        if not data[at + index] & 128:
            return value, at + index + 1
    raise DamagedMedia("An OBU of AV1 has a size that does not end.")


def _video_config(header: bytes, record: bytes) -> VideoConfig:
    profile, level, tier = record[1] >> 5, record[1] & 31, record[2] >> 7
    high_depth, twelve, mono = record[2] >> 6 & 1, record[2] >> 5 & 1, record[2] >> 4 & 1
    bit_depth = (12 if twelve else 10) if high_depth else 8
    width, height = _size(BitReader(header))
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise DamagedMedia(f"An AV1 sequence header claims a picture of {width}x{height}.")
    halves = record[2] >> 2 & 3
    return VideoConfig(
        codec=f"av01.{profile}.{level:02d}{'MH'[tier]}.{bit_depth:02d}",
        profile=_PROFILES[profile] if profile < len(_PROFILES) else f"profile {profile}",
        level=2 + (level >> 2) + (level & 3) / 10,
        width=width,
        height=height,
        fps=None,
        bit_depth=bit_depth,
        chroma="4:0:0" if mono else {3: "4:2:0", 2: "4:2:2"}.get(halves, "4:4:4"),
        interlaced=False,
        parameter_sets_annexb=b"",
    )


def _size(reader: BitReader) -> tuple[int, int]:
    """The largest frame's size: what stands before it in sequence_header_obu() is read past (5.5.1)."""
    reader.bits(3 + 1)  # seq_profile, still_picture
    if reader.flag():  # reduced_still_picture_header
        reader.bits(5)
    else:
        _skip_operating_points(reader)
    width_bits, height_bits = reader.bits(4) + 1, reader.bits(4) + 1
    return reader.bits(width_bits) + 1, reader.bits(height_bits) + 1


def _skip_operating_points(reader: BitReader) -> None:
    delay_bits = 0
    if reader.flag():  # timing_info_present_flag
        reader.bits(64)  # num_units_in_display_tick, time_scale
        if reader.flag():  # equal_picture_interval
            reader.unsigned()  # uvlc() is coded as ue(v)
        if reader.flag():  # decoder_model_info_present_flag
            delay_bits = reader.bits(5) + 1
            reader.bits(32 + 5 + 5)
    initial_delay = reader.flag()
    for _ in range(reader.bits(5) + 1):
        reader.bits(12)  # operating_point_idc
        if reader.bits(5) > 7:  # seq_level_idx
            reader.bits(1)  # seq_tier
        if delay_bits and reader.flag():
            reader.bits(2 * delay_bits + 1)
        if initial_delay and reader.flag():
            reader.bits(4)
