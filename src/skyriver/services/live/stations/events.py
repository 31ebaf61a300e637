"""What a publication says, in order of arrival.

A publication yields `VideoConfig` and `AudioConfig` before the frames they describe, and again whenever they change.
Times are the publisher's own, in milliseconds as they came over the wire: 32 bits that wrap after 49.7 days, with an
arbitrary origin. `services.live.timestamps` turns them into media time; nothing else should do arithmetic on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class MetaData:
    """The publisher's `onMetaData`: a hint for people (encoder name, nominal bit rate), never trusted for decoding."""

    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """An H.264 sequence header (AVCDecoderConfigurationRecord, ISO/IEC 14496-15 5.3.3.1), with its first SPS read."""

    codec: str
    """RFC 6381, with in-band parameter sets: `avc3.64001f`."""
    profile: str
    level: float
    width: int
    height: int
    fps: float | None
    """From the VUI; None where the encoder does not say, or says a variable rate."""
    bit_depth: int
    chroma: str
    interlaced: bool
    parameter_sets_annexb: bytes
    """Every SPS and PPS with start codes: what stands before each keyframe."""


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """An AAC sequence header (AudioSpecificConfig, ISO/IEC 14496-3 1.6.2.1)."""

    codec: str
    """RFC 6381: `mp4a.40.2` for AAC-LC."""
    sample_rate_hz: int
    channels: int
    init: bytes
    """The AudioSpecificConfig itself, for decoders."""


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One H.264 access unit in Annex-B; a keyframe starts with its SPS and PPS."""

    payload: bytes
    dts_ms: int
    """32-bit wire time."""
    pts_ms: int
    """`dts_ms` + composition time: may lie below 0 or above 2**32 - 1, so that `pts_ms - dts_ms` is always right."""
    keyframe: bool


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """One raw AAC access unit (1024 samples, or 960), without ADTS."""

    payload: bytes
    pts_ms: int
    """32-bit wire time."""


MediaEvent = MetaData | VideoConfig | AudioConfig | VideoFrame | AudioFrame


class EndReason(StrEnum):
    """Why a publication is over."""

    UNPUBLISHED = "unpublished"
    """The publisher said so (FCUnpublish, deleteStream, closeStream)."""
    DISCONNECTED = "disconnected"
    """The connection went away without a word; expect it back."""
    TIMED_OUT = "timed_out"
    """The publisher sent nothing for longer than the idle limit."""
    REFUSED = "refused"
    """We cannot take this stream: a codec, damaged data, a limit. `message` says it in the publisher's terms."""
    REPLACED = "replaced"
    """Another publisher took the channel over."""
    REVOKED = "revoked"
    """The key lost its right while publishing."""
    STOPPED = "stopped"
    """This server is shutting down, or the station stopped reading."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a publication ended."""

    reason: EndReason
    message: str = ""
