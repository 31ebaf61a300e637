"""The media layer that players understand: hang's catalog and its "legacy" container, written by ourselves.

The library can write both, but its importer numbers a group at every keyframe: a source whose GOP is shorter than our
two-second slot then collides with the slot's number, and that error ends its track. Writing them here is 100 lines and
leaves the numbering to us.

- Catalog: track `catalog.hang`, one JSON document a group (`@moq/hang`, catalog/root).
- Frame: a QUIC variable-length integer (RFC 9000, section 16) with the PTS in microseconds, then the codec's payload.
  H.264 is Annex B with parameter sets before each keyframe (codec string `avc3.…`), AAC is raw access units, Opus
  plain packets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from skyriver.kernel.errors import InvalidInput

CATALOG_TRACK = "catalog.hang"  # the library keeps `catalog.json` of every broadcast for its own importers
CATALOG_PRIORITY, AUDIO_PRIORITY, VIDEO_PRIORITY = 100, 80, 60  # speech before picture, as the library's own tracks
CAPTIONS_PRIORITY = 70  # a few bytes that stand for speech
MAX_CATALOG_BYTES = 256 * 1024


@dataclass(frozen=True)
class VideoTrack:
    """One video rendition in a catalog. Sizes in pixels, `framerate` in frames a second."""

    codec: str
    width: int
    height: int
    framerate: float | None = None
    bitrate_bps: int | None = None
    label: str | None = None


@dataclass(frozen=True)
class AudioTrack:
    """One audio rendition in a catalog. `description` is the codec's set-up: AudioSpecificConfig or OpusHead."""

    codec: str
    sample_rate_hz: int
    channels: int
    description: bytes = b""
    bitrate_bps: int | None = None
    label: str | None = None


@dataclass(frozen=True)
class CaptionTrack:
    """One language of captions in a catalog; `language` is BCP 47. Its frames are written by whoever captions."""

    language: str
    label: str = ""


@dataclass(frozen=True)
class Catalog:
    """What a broadcast offers: renditions by track name, and application sections kept as they came."""

    video: Mapping[str, VideoTrack] = field(default_factory=dict)
    audio: Mapping[str, AudioTrack] = field(default_factory=dict)
    sections: Mapping[str, Any] = field(default_factory=dict)
    captions: Mapping[str, CaptionTrack] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The document as players expect it."""
        document: dict[str, Any] = dict(self.sections)
        if self.video:
            document["video"] = {"renditions": {name: _video_json(track) for name, track in self.video.items()}}
        if self.audio:
            document["audio"] = {"renditions": {name: _audio_json(track) for name, track in self.audio.items()}}
        if self.captions:
            document["captions"] = {"renditions": {name: asdict(track) for name, track in self.captions.items()}}
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, payload: bytes) -> Catalog:
        """Parse a catalog.

        Raises:
            InvalidInput: it is too large or is not a catalog.
        """
        if len(payload) > MAX_CATALOG_BYTES:
            raise InvalidInput(f"A catalog of {len(payload)} bytes was refused; {MAX_CATALOG_BYTES} is the limit.")
        try:
            document = json.loads(payload)
            video = {_name(n): _video(v) for n, v in document.get("video", {}).get("renditions", {}).items()}
            audio = {_name(n): _audio(a) for n, a in document.get("audio", {}).get("renditions", {}).items()}
            captions = {_name(n): _captions(c) for n, c in document.get("captions", {}).get("renditions", {}).items()}
            sections = {k: v for k, v in document.items() if k not in ("video", "audio", "captions")}
        except (ValueError, ArithmeticError, RecursionError, AttributeError, KeyError, TypeError) as error:
            raise InvalidInput(f"A broadcast's catalog could not be read: {error!r}.") from error
        return cls(video, audio, sections, captions)


def _name(name: str) -> str:
    """A track's name, which has to travel as UTF-8: JSON can spell half of a surrogate pair."""
    name.encode()
    return name


def _container() -> dict[str, str]:
    return {"kind": "legacy"}


def _video_json(track: VideoTrack) -> dict[str, Any]:
    known: dict[str, Any] = {"codec": track.codec, "codedWidth": track.width, "codedHeight": track.height}
    known |= {"bitrate": track.bitrate_bps, "framerate": track.framerate, "label": track.label}
    return {k: v for k, v in known.items() if v is not None} | {"container": _container()}


def _audio_json(track: AudioTrack) -> dict[str, Any]:
    known: dict[str, Any] = {
        "codec": track.codec,
        "sampleRate": track.sample_rate_hz,
        "numberOfChannels": track.channels,
        "description": track.description.hex() or None,
        "bitrate": track.bitrate_bps,
        "label": track.label,
    }
    return {k: v for k, v in known.items() if v is not None} | {"container": _container()}


def _video(entry: Mapping[str, Any]) -> VideoTrack:
    return VideoTrack(
        codec=str(entry["codec"]),
        width=int(entry.get("codedWidth") or 0),
        height=int(entry.get("codedHeight") or 0),
        framerate=entry.get("framerate"),
        bitrate_bps=entry.get("bitrate"),
        label=entry.get("label"),
    )


def _audio(entry: Mapping[str, Any]) -> AudioTrack:
    return AudioTrack(
        codec=str(entry["codec"]),
        sample_rate_hz=int(entry["sampleRate"]),
        channels=int(entry["numberOfChannels"]),
        description=bytes.fromhex(entry.get("description") or ""),
        bitrate_bps=entry.get("bitrate"),
        label=entry.get("label"),
    )


def _captions(entry: Mapping[str, Any]) -> CaptionTrack:
    return CaptionTrack(str(entry.get("language") or ""), str(entry.get("label") or ""))


def encode_frame(payload: bytes, pts_us: int) -> bytes:
    """One frame in the legacy container; `pts_us` is 0 to 2^62 - 1."""
    return _varint(pts_us) + payload


def decode_frame(frame: bytes) -> tuple[int, memoryview]:
    """`(pts_us, payload)` of one frame in the legacy container; the payload is a view, empty for a marker.

    Raises:
        InvalidInput: the frame is shorter than its own header.
    """
    size = 1 << (frame[0] >> 6) if frame else 1
    if len(frame) < size:
        raise InvalidInput(f"A media frame of {len(frame)} bytes ends inside its timestamp.")
    value = int.from_bytes(frame[:size], "big") & ((1 << (8 * size - 2)) - 1)
    return value, memoryview(frame)[size:]


def _varint(value: int) -> bytes:
    if value < 0 or value >= 1 << 62:
        raise InvalidInput(f"A timestamp of {value} µs cannot be sent; it must be 0 to 2^62 - 1.")
    for exponent in range(4):
        size = 1 << exponent
        if value < 1 << (8 * size - 2):
            return (value | exponent << (8 * size - 2)).to_bytes(size, "big")
    raise AssertionError("unreachable: the range was checked above")
