"""What a browser publishes, checked and turned into media events. Pure: catalogs and frames in, events out.

A contribution is a broadcast in the hang layer (`fabric/hang.py`) with one video track of H.264 in Annex-B and one
audio track of Opus or AAC; further tracks are not read. Everything in it is untrusted. A catalog without any track
says that the publisher has stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from skyriver.fabric import AudioTrack, Catalog, MediaFrame
from skyriver.services.live.stations.codecs.aac import parse_audio_config
from skyriver.services.live.stations.codecs.access_units import AccessUnits, split_annexb
from skyriver.services.live.stations.codecs.opus import MAX_PACKET_BYTES, opus_config
from skyriver.services.live.stations.errors import DamagedMedia, UnsupportedMedia
from skyriver.services.live.stations.events import AudioConfig, AudioFrame, VideoConfig, VideoFrame
from skyriver.services.live.stations.moq.limits import Limits

T = TypeVar("T")

_WIRE_MS = (1 << 32) - 1  # events carry 32 bits of milliseconds, whatever a door's own clock is
_MAX_AAC_FRAME_BYTES = 8192  # 768 bytes a channel is what the format allows; 8 channels and some room


class Contribution:
    """One publisher's broadcast."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._units = AccessUnits()
        self._audio: AudioConfig | None = None
        self._rates = {"video": _Rate(limits.max_frames_per_s), "audio": _Rate(limits.max_frames_per_s)}
        self.video_track: str | None = None
        self.audio_track: str | None = None

    @staticmethod
    def is_over(catalog: Catalog) -> bool:
        """Whether the publisher says that it has stopped."""
        return not catalog.video and not catalog.audio

    def describe(self, catalog: Catalog) -> Iterator[AudioConfig]:
        """Take in a catalog. Raises UnsupportedMedia or DamagedMedia.

        What the picture is, its own parameter sets say; a catalog's word about it is not needed.
        """
        self.video_track, video = _first(catalog.video)
        self.audio_track, audio = _first(catalog.audio)
        if video is not None and not video.codec.startswith(("avc1.", "avc3.")):
            raise UnsupportedMedia(
                f"This browser sends its picture as {video.codec[:40]!r}, which is not taken here.",
                hint="Use a browser that encodes H.264.",
            )
        if audio is not None:
            config = _audio_config(audio)
            if config != self._audio:
                self._audio = config
                yield config

    def video(self, frame: MediaFrame, now_s: float) -> Iterator[VideoConfig | VideoFrame]:
        """One picture. Raises DamagedMedia."""
        self._rates["video"].count(now_s)
        if len(frame.payload) > self._limits.max_frame_bytes:
            raise DamagedMedia(f"A picture of {len(frame.payload)} bytes; the limit is {self._limits.max_frame_bytes}.")
        config, payload, keyframe = self._units.take(split_annexb(frame.payload))
        if config is not None:
            yield config
        if payload:
            wire_ms = frame.pts_us // 1000 & _WIRE_MS
            yield VideoFrame(payload, wire_ms, wire_ms, keyframe)

    def audio(self, frame: MediaFrame, now_s: float) -> Iterator[AudioFrame]:
        """One packet of sound. Raises DamagedMedia."""
        self._rates["audio"].count(now_s)
        limit = MAX_PACKET_BYTES if self._audio and self._audio.codec == "opus" else _MAX_AAC_FRAME_BYTES
        if len(frame.payload) > limit:
            raise DamagedMedia(f"A packet of sound of {len(frame.payload)} bytes; the limit is {limit}.")
        if self._audio is not None:
            yield AudioFrame(frame.payload, frame.pts_us // 1000 & _WIRE_MS)


class _Rate:
    """Counts frames in windows of a second."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._since_s = 0.0
        self._count = 0

    def count(self, now_s: float) -> None:
        if now_s - self._since_s >= 1.0:
            self._since_s, self._count = now_s, 0
        self._count += 1
        if self._count > self._most:
            raise DamagedMedia(f"More than {self._most} frames in one second on one track.")


def _first(tracks: Mapping[str, T]) -> tuple[str | None, T | None]:
    """The track that is listed first: JSON objects keep their order."""
    return next(iter(tracks.items()), (None, None))


def _audio_config(audio: AudioTrack) -> AudioConfig:
    if audio.codec == "opus":
        return opus_config(audio.channels, audio.description)
    if audio.codec.startswith("mp4a.40."):
        return parse_audio_config(audio.description)
    raise UnsupportedMedia(
        f"This browser sends its sound as {audio.codec[:40]!r}, which is not taken here.", hint="Send Opus or AAC."
    )
