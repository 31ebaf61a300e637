"""What differs between codecs: the init segment, the form of a sample, and what the payload says about time."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from skyriver.fabric import AudioTrack, VideoTrack
from skyriver.kernel.errors import InvalidInput
from skyriver.services.live.cmaf.avc import AvcParameterSets, length_prefixed
from skyriver.services.live.cmaf.boxes import box, full_box, init_segment

VIDEO_TIMESCALE = 1_000_000  # media time is in microseconds: nothing is rounded
_NAME_CHARS = 12  # of the SHA-256; an init segment is one of a handful


class UnsupportedCodec(InvalidInput):
    """A track's codec is not packaged as CMAF."""

    code = "unsupported_codec"


@dataclass(frozen=True)
class InitSegment:
    """What a player needs before a track's first part.

    `name` is made of the content: two edges name the same one alike, and a changed one differently. `codec` is RFC
    6381 as HLS and DASH want it. Sizes in pixels, zero for audio; `sample_rate_hz` and `channels` are zero for video.
    """

    data: bytes
    codec: str
    timescale: int
    width: int = 0
    height: int = 0
    sample_rate_hz: int = 0
    channels: int = 0

    @cached_property
    def name(self) -> str:
        return f"init-{hashlib.sha256(self.data).hexdigest()[:_NAME_CHARS]}.mp4"

    @property
    def video(self) -> bool:
        return self.width > 0


class Codec(Protocol):
    """One track's codec. `init` is None until a keyframe has described the track."""

    init: InitSegment | None
    timescale: int
    reorder: int
    """How many frames may come before one that is shown earlier; 0: frames come in the order of presentation."""

    def sample(self, payload: bytes) -> tuple[bytes, bool]:
        """A frame's payload in the form of a sample, and whether it can be decoded alone. Updates `init`."""
        ...

    def duration(self, payload: bytes) -> int:
        """How long the frame lasts in the timescale, by its own account; 0 when only its successor tells."""
        ...


class AvcCodec:
    """H.264: Annex B with parameter sets before each keyframe in; `avc1` out, parameter sets in the init segment."""

    timescale = VIDEO_TIMESCALE

    def __init__(self) -> None:
        self.init: InitSegment | None = None
        self.reorder = 0
        self._sets: AvcParameterSets | None = None

    def sample(self, payload: bytes) -> tuple[bytes, bool]:
        data, sync, sets = length_prefixed(payload)
        if sync and sets is not None and sets != self._sets:
            self._sets = sets
            self.reorder = sets.reorder
            entry = visual_sample_entry(b"avc1", sets.width, sets.height, box(b"avcC", sets.record()))
            moov = init_segment(entry, timescale=VIDEO_TIMESCALE, width=sets.width, height=sets.height)
            self.init = InitSegment(moov, sets.codec, VIDEO_TIMESCALE, sets.width, sets.height)
        return data, sync and self._sets is not None

    def duration(self, payload: bytes) -> int:
        return 0


class AacCodec:
    """AAC: raw access units, described by an AudioSpecificConfig."""

    reorder = 0

    def __init__(self, track: AudioTrack) -> None:
        if len(track.description) < 2:
            raise UnsupportedCodec("An AAC track cannot be packaged: its catalog entry has no AudioSpecificConfig.")
        self.timescale = track.sample_rate_hz
        # HE-AAC codes at half the rate that comes out (ISO/IEC 14496-3, 4.6.18).
        self._duration = 2048 if track.codec in ("mp4a.40.5", "mp4a.40.29") else 1024
        entry = audio_sample_entry(b"mp4a", track.sample_rate_hz, track.channels, _esds(track.description))
        data = init_segment(entry, timescale=self.timescale)
        self.init: InitSegment | None = InitSegment(
            data, track.codec, self.timescale, sample_rate_hz=track.sample_rate_hz, channels=track.channels
        )

    def sample(self, payload: bytes) -> tuple[bytes, bool]:
        return payload, True

    def duration(self, payload: bytes) -> int:
        return self._duration


class OpusCodec:
    """Opus packets, described by an OpusHead (RFC 7845, section 5.1) or, without one, by the catalog alone."""

    reorder = 0
    timescale = 48_000

    def __init__(self, track: AudioTrack) -> None:
        entry = audio_sample_entry(b"Opus", 48_000, track.channels, _dops(track))
        data = init_segment(entry, timescale=self.timescale)
        self.init: InitSegment | None = InitSegment(
            data, "opus", self.timescale, sample_rate_hz=48_000, channels=track.channels
        )

    def sample(self, payload: bytes) -> tuple[bytes, bool]:
        return payload, True

    def duration(self, payload: bytes) -> int:
        return opus_duration(payload)


def codec_of(track: VideoTrack | AudioTrack) -> Codec:
    """The codec of a catalog's track.

    Raises:
        UnsupportedCodec: it is not packaged.
    """
    name = track.codec
    if isinstance(track, VideoTrack):
        if name.startswith(("avc1", "avc3")):
            return AvcCodec()
    elif name.startswith("mp4a.40"):
        return AacCodec(track)
    elif name == "opus":
        return OpusCodec(track)
    raise UnsupportedCodec(f"A track of codec {name!r} cannot be packaged as CMAF.")


def opus_duration(packet: bytes) -> int:
    """The duration of an Opus packet in samples at 48 kHz (RFC 6716, section 3.1); 0 for an empty one."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = (120, 240, 480, 960)[config & 3]
    frames = 1 if code == 0 else 2 if code < 3 else packet[1] & 63 if len(packet) > 1 else 0
    return frame * frames


def visual_sample_entry(kind: bytes, width: int, height: int, *boxes: bytes) -> bytes:
    """A VisualSampleEntry (ISO/IEC 14496-12, 12.1.3)."""
    return box(
        kind,
        struct.pack(">6xH16xHHIIIH", 1, width, height, 0x480000, 0x480000, 0, 1),
        bytes(32),
        struct.pack(">Hh", 24, -1),
        *boxes,
    )


def audio_sample_entry(kind: bytes, sample_rate_hz: int, channels: int, *boxes: bytes) -> bytes:
    """An AudioSampleEntry (12.2.3). Rates above 65,535 Hz do not fit it, and are in the codec's own box."""
    rate = sample_rate_hz if sample_rate_hz < 1 << 16 else 0
    return box(kind, struct.pack(">6xH8xHHHHI", 1, channels, 16, 0, 0, rate << 16), *boxes)


def _esds(audio_specific_config: bytes) -> bytes:
    """The elementary stream descriptor (ISO/IEC 14496-1, 7.2.6.5; 14496-14, 3.1.2)."""
    specific = _descriptor(5, audio_specific_config)
    decoder = _descriptor(4, struct.pack(">BBxxxII", 0x40, 0x15, 0, 0), specific)  # MPEG-4 audio, an audio stream
    return full_box(b"esds", 0, 0, _descriptor(3, struct.pack(">HB", 0, 0), decoder, _descriptor(6, b"\x02")))


def _descriptor(tag: int, *content: bytes) -> bytes:
    body = b"".join(content)
    if len(body) > 0x3FFF:
        raise UnsupportedCodec(f"An audio configuration of {len(body)} bytes cannot be packaged.")
    size = bytes((len(body),)) if len(body) < 0x80 else bytes((0x80 | len(body) >> 7, len(body) & 0x7F))
    return bytes((tag,)) + size + body


def _dops(track: AudioTrack) -> bytes:
    """Opus in ISO base media files (the Opus project's encapsulation, 4.3.2): OpusHead with other byte order."""
    head = track.description
    if len(head) >= 19 and head.startswith(b"OpusHead"):
        channels, pre_skip, rate, gain, family = struct.unpack_from("<BHIhB", head, 9)
        mapping = head[19:] if family else b""
    else:
        channels, pre_skip, rate, gain, family, mapping = track.channels, 312, 48_000, 0, 0, b""
    return box(b"dOps", struct.pack(">BBHIhB", 0, channels, pre_skip, rate, gain, family), mapping)
