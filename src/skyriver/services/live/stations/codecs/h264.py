"""H.264 out of FLV's form (ISO/IEC 14496-15: NAL units with length prefixes) into Annex-B (start codes)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from skyriver.services.live.stations.codecs.sps import parse_sps
from skyriver.services.live.stations.errors import DamagedMedia
from skyriver.services.live.stations.events import VideoConfig

START_CODE = b"\0\0\0\1"
MAX_PARAMETER_SETS_BYTES = 16 << 10
_IDR, _SPS, _PPS, _DELIMITER = 5, 7, 8, 9


@dataclass(frozen=True, slots=True)
class AvcRecord:
    """An AVCDecoderConfigurationRecord: how long the length prefixes are, and the parameter sets."""

    length_bytes: int
    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]

    @property
    def annexb(self) -> bytes:
        """Every parameter set with a start code."""
        return b"".join(START_CODE + nal for nal in self.sps + self.pps)

    def video_config(self) -> VideoConfig:
        """What the first SPS says. Raises DamagedMedia when it cannot be read."""
        sps = parse_sps(self.sps[0])
        return VideoConfig(
            codec=sps.codec,
            profile=sps.profile,
            level=sps.level,
            width=sps.width,
            height=sps.height,
            fps=sps.fps,
            bit_depth=sps.bit_depth,
            chroma=sps.chroma,
            interlaced=sps.interlaced,
            parameter_sets_annexb=self.annexb,
        )


def parse_avc_record(data: bytes) -> AvcRecord:
    """Read an AVCDecoderConfigurationRecord (5.3.3.1.2). Raises DamagedMedia."""
    if len(data) > MAX_PARAMETER_SETS_BYTES:
        raise DamagedMedia(f"An H.264 sequence header of {len(data)} bytes; the limit is {MAX_PARAMETER_SETS_BYTES}.")
    if len(data) < 7 or data[0] != 1:
        raise DamagedMedia("The H.264 sequence header is no AVCDecoderConfigurationRecord.")
    sps, at = _parameter_sets(data, 6, data[5] & 31)
    if at >= len(data):
        raise DamagedMedia("The H.264 sequence header ends before its picture parameter sets.")
    pps, _ = _parameter_sets(data, at + 1, data[at])
    if not sps or not pps:
        raise DamagedMedia("The H.264 sequence header has no SPS or no PPS.")
    return AvcRecord((data[4] & 3) + 1, sps, pps)


def _parameter_sets(data: bytes, at: int, count: int) -> tuple[tuple[bytes, ...], int]:
    found = []
    for _ in range(count):
        length = int.from_bytes(data[at : at + 2], "big")
        nal = data[at + 2 : at + 2 + length]
        if not nal or len(nal) < length:
            raise DamagedMedia("A parameter set in the H.264 sequence header is empty or cut off.")
        found.append(nal)
        at += 2 + length
    return tuple(found), at


def to_annexb(units: memoryview, record: AvcRecord, *, keyframe: bool) -> tuple[bytes, bool]:
    """One access unit with start codes; see `prefixed_to_annexb`."""
    return prefixed_to_annexb(units, record, _KINDS, keyframe=keyframe)


@dataclass(frozen=True, slots=True)
class NalKinds:
    """Where a codec keeps a NAL unit's type in its first byte, and the types that matter."""

    shift: int
    mask: int
    delimiter: int
    sequence_parameters: int
    keyframes: frozenset[int]


_KINDS = NalKinds(0, 31, _DELIMITER, _SPS, frozenset((_IDR,)))


class Record(Protocol):
    """How long a stream's length prefixes are, and its parameter sets."""

    @property
    def length_bytes(self) -> int: ...

    @property
    def annexb(self) -> bytes: ...


def prefixed_to_annexb(units: memoryview, record: Record, kinds: NalKinds, *, keyframe: bool) -> tuple[bytes, bool]:
    """One access unit of H.264 or HEVC with start codes for its length prefixes; one copy of the media.

    A keyframe (flagged, or with a slice of one in it) gets the record's parameter sets in front, unless it carries its
    own. An access unit delimiter is dropped: it would have to come first, and nobody downstream needs it.

    Returns:
        (Annex-B bytes, whether it is a keyframe); the bytes are empty when there was nothing in it.

    Raises:
        DamagedMedia: the prefixes do not fit.
    """
    pieces: list[bytes | memoryview] = []
    at, end, length_bytes = 0, len(units), record.length_bytes
    has_sets = False
    while at < end:
        body = at + length_bytes
        length = int.from_bytes(units[at:body], "big")
        at = body + length
        if at > end:
            raise DamagedMedia(_bad_length(bytes(units[:4])))
        if length == 0:
            continue
        kind = units[body] >> kinds.shift & kinds.mask
        if kind == kinds.delimiter:
            continue
        if kind in kinds.keyframes:
            keyframe = True
        elif kind == kinds.sequence_parameters:
            has_sets = True
        pieces.append(START_CODE)
        pieces.append(units[body:at])
    if keyframe and pieces and not has_sets:
        pieces.insert(0, record.annexb)
    return b"".join(pieces), keyframe


def _bad_length(start: bytes) -> str:
    if start == START_CODE or start[:3] == START_CODE[1:]:
        return "The video has start codes, where RTMP wants length prefixes: the encoder is misconfigured."
    return "A picture is shorter than the NAL units that it claims to hold."
