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
    """What the video is, as its sequence header or parameter sets say: H.264, HEVC, AV1 or VP9."""

    codec: str
    """RFC 6381, with in-band parameter sets: `avc3.64001f`, `hev1.1.6.L93.90`, `av01.0.04M.08`, `vp09.00.31.08`."""
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
    """Every VPS, SPS and PPS with start codes: what stands before each keyframe. Empty for AV1 and VP9."""


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """What the sound is: AAC or Opus."""

    codec: str
    """RFC 6381: `mp4a.40.2` for AAC-LC, `opus`."""
    sample_rate_hz: int
    channels: int
    init: bytes
    """For decoders: the AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1), or the OpusHead (RFC 7845, 5.1)."""


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One access unit of H.264 or HEVC in Annex-B, one temporal unit of AV1, or one frame of VP9.

    A keyframe can be decoded with nothing before it: its parameter sets, or its sequence header, are in it.
    """

    payload: bytes
    dts_ms: int
    """32-bit wire time."""
    pts_ms: int
    """`dts_ms` + composition time: may lie below 0 or above 2**32 - 1, so that `pts_ms - dts_ms` is always right."""
    keyframe: bool


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """One raw AAC access unit (1024 samples, or 960) without ADTS, or one Opus packet."""

    payload: bytes
    pts_ms: int
    """32-bit wire time."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something of the stream that is not taken, while the rest goes on; in words for the publisher's people."""

    message: str


MediaEvent = MetaData | Notice | VideoConfig | AudioConfig | VideoFrame | AudioFrame


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
