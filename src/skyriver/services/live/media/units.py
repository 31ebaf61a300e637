"""What flows through the transcoder: compressed units in and out. Times in microseconds since the Unix epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

MICROSECONDS = Fraction(1, 1_000_000)
_AAC_LC = 2


@dataclass(frozen=True, slots=True)
class Unit:
    """One compressed unit as it arrives: an Annex-B access unit, or one raw AAC frame. In decoding order."""

    payload: bytes
    pts_us: int
    keyframe: bool = False


@dataclass(frozen=True, slots=True)
class SoundSource:
    """What sound comes in: its codec (RFC 6381) and set-up (AudioSpecificConfig or OpusHead)."""

    codec: str
    config: bytes

    @property
    def is_opus(self) -> bool:
        return self.codec == "opus"

    def decodes(self, other: SoundSource) -> bool:
        """Whether a decoder that is set up for this one decodes the other one.

        Of an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) the first 13 bits count: object type, rate and channels.
        """
        if self == other:
            return True
        a, b = self.config, other.config
        plain = not self.is_opus and not other.is_opus and min(len(a), len(b)) >= 2 and a[0] >> 3 == _AAC_LC
        return plain and (a[0], a[1] & 0xF8) == (b[0], b[1] & 0xF8)


@dataclass(frozen=True, slots=True)
class Splice:
    """From here on another stream comes: `gop` is what it has sent since its last keyframe, which is the first.

    Pictures before `from_us`, or not later than the last one that was shown, are decoded only.
    """

    gop: tuple[Unit, ...]
    codec: str
    """Of the stream that comes (RFC 6381)."""
    from_us: int = 0


@dataclass(frozen=True, slots=True)
class Encoded:
    """One compressed unit as it leaves, with the track and the group it belongs to."""

    track: str
    payload: bytes
    pts_us: int
    keyframe: bool
    group: int


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """A rendition that starts, or changes its size. Comes before its first unit. `codec` is RFC 6381: `avc3.64001e`."""

    track: str
    codec: str
    width: int
    height: int
    bitrate_bps: int


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """An audio encoding that starts. `init` is the OpusHead (RFC 7845, section 5.1)."""

    track: str
    codec: str
    sample_rate_hz: int
    channels: int
    init: bytes
    bitrate_bps: int


@dataclass(frozen=True, slots=True)
class TrackEnded:
    """A rendition that the source has become too small for."""

    track: str


@dataclass(frozen=True, slots=True)
class TrackCarried:
    """A rendition that is not offered for now: its track goes on with the pictures of another one."""

    track: str


Output = Encoded | VideoTrack | AudioTrack | TrackEnded | TrackCarried
Sink = Callable[[Output], None]
"""Receives outputs, in order within a track. Called from the engine's threads; must not wait."""
