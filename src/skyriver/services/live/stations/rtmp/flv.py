"""FLV audio and video tags (Adobe FLV 10.1, E.4.2 and E.4.3; Enhanced RTMP v2) into media events.

One `FlvReader` per publication. Taken: H.264 (codec 7, or FourCC `avc1`) and AAC (format 10, or FourCC `mp4a`).
Everything else raises UnsupportedMedia, naming what came. Frames before their sequence header are dropped: an
encoder that is joined in the middle sends the header with its next keyframe.
"""

from __future__ import annotations

from collections.abc import Iterator

from skyriver.services.live.stations.codecs.aac import parse_audio_config
from skyriver.services.live.stations.codecs.h264 import AvcRecord, parse_avc_record, to_annexb
from skyriver.services.live.stations.errors import DamagedMedia, UnsupportedMedia
from skyriver.services.live.stations.events import AudioConfig, AudioFrame, VideoConfig, VideoFrame

_VIDEO_CODECS = {2: "Sorenson H.263", 3: "Screen video", 4: "VP6", 5: "VP6 with alpha", 6: "Screen video 2"}
_VIDEO_CODECS |= {8: "H.263", 9: "MPEG-4 part 2", 12: "HEVC (H.265)", 13: "AV1"}
_VIDEO_FOURCC = {b"hvc1": "HEVC (H.265)", b"hev1": "HEVC (H.265)", b"av01": "AV1", b"vp09": "VP9", b"vp08": "VP8"}
_VIDEO_FOURCC |= {b"vvc1": "VVC (H.266)"}
_AUDIO_FORMATS = {0: "PCM", 1: "ADPCM", 2: "MP3", 3: "PCM", 4: "Nellymoser", 5: "Nellymoser", 6: "Nellymoser"}
_AUDIO_FORMATS |= {7: "G.711 A-law", 8: "G.711 mu-law", 11: "Speex", 14: "MP3 at 8 kHz"}
_AUDIO_FOURCC = {b"Opus": "Opus", b".mp3": "MP3", b"ac-3": "AC-3", b"ec-3": "E-AC-3", b"fLaC": "FLAC"}

_AVC, _AAC, _ENHANCED_AUDIO = 7, 10, 9
_KEYFRAME, _COMMAND_FRAME = 1, 5
_SEQUENCE_HEADER, _CODED, _CODED_NO_OFFSET = 0, 1, 3
_VIDEO_MULTITRACK, _AUDIO_MULTITRACK, _MOD_EX = 6, 5, 7


class FlvReader:
    """Tag bodies in, media events out; remembers the sequence headers."""

    def __init__(self) -> None:
        self._record: AvcRecord | None = None
        self._audio: AudioConfig | None = None

    @property
    def has_video(self) -> bool:
        """Whether an H.264 sequence header has come."""
        return self._record is not None

    def video(self, body: memoryview, dts_ms: int) -> Iterator[VideoConfig | VideoFrame]:
        """Events of one video tag. Raises UnsupportedMedia or DamagedMedia."""
        if not body:
            return
        first = body[0]
        frame_type = first >> 4 & 7
        if first & 0x80:
            packet_type, at = _enhanced_header(body, _VIDEO_MULTITRACK, b"avc1", _VIDEO_FOURCC, "video", "H.264")
        else:
            if first & 15 != _AVC:
                raise _unsupported("video", _VIDEO_CODECS.get(first & 15, f"codec {first & 15}"), "H.264")
            if frame_type == _COMMAND_FRAME or len(body) < 5:
                return
            packet_type, at = body[1], 2
        if packet_type == _SEQUENCE_HEADER:
            yield from self._video_header(bytes(body[at if first & 0x80 else at + 3 :]))
            return
        if packet_type == _CODED:
            offset_ms = _signed_24(body[at : at + 3])
            at += 3
        elif packet_type == _CODED_NO_OFFSET and first & 0x80:
            offset_ms = 0
        else:
            return  # end of sequence, HDR metadata
        if self._record is not None:
            payload, keyframe = to_annexb(body[at:], self._record, keyframe=frame_type == _KEYFRAME)
            if payload:
                yield VideoFrame(payload, dts_ms, dts_ms + offset_ms, keyframe)

    def audio(self, body: memoryview, pts_ms: int) -> Iterator[AudioConfig | AudioFrame]:
        """Events of one audio tag. Raises UnsupportedMedia or DamagedMedia."""
        if not body:
            return
        sound_format = body[0] >> 4
        if sound_format == _ENHANCED_AUDIO:
            packet_type, at = _enhanced_header(body, _AUDIO_MULTITRACK, b"mp4a", _AUDIO_FOURCC, "audio", "AAC")
        elif sound_format == _AAC:
            if len(body) < 2:
                return
            packet_type, at = body[1], 2
        else:
            raise _unsupported("audio", _AUDIO_FORMATS.get(sound_format, f"format {sound_format}"), "AAC")
        if packet_type == _SEQUENCE_HEADER and len(body) > at:
            config = parse_audio_config(bytes(body[at:]))
            if config != self._audio:
                self._audio = config
                yield config
        elif packet_type == _CODED and self._audio is not None and len(body) > at:
            yield AudioFrame(bytes(body[at:]), pts_ms)

    def _video_header(self, data: bytes) -> Iterator[VideoConfig]:
        if not data:
            return
        record = parse_avc_record(data)
        if record != self._record:
            config = record.video_config()
            self._record = record
            yield config


def _enhanced_header(
    body: memoryview, multitrack: int, ours: bytes, known: dict[bytes, str], kind: str, wanted: str
) -> tuple[int, int]:
    """Packet type and where the payload starts, for the one FourCC we take."""
    packet_type, at = body[0] & 15, 1
    while packet_type == _MOD_EX:  # v2: optional modifiers (nanoseconds) before the packet itself
        if len(body) < at + 4:
            raise DamagedMedia(f"An enhanced {kind} tag ends within its header.")
        size = body[at] + 1
        at += 1
        if size == 256:
            size = int.from_bytes(body[at : at + 2], "big") + 1
            at += 2
        at += size
        if at >= len(body):
            raise DamagedMedia(f"An enhanced {kind} tag ends within its header.")
        packet_type = body[at] & 15
        at += 1
    if packet_type == multitrack:
        raise _unsupported(kind, f"multitrack {kind}", f"a single track of {wanted}")
    fourcc = bytes(body[at : at + 4])
    if len(fourcc) < 4:
        raise DamagedMedia(f"An enhanced {kind} tag ends within its header.")
    if fourcc != ours:
        raise _unsupported(kind, known.get(fourcc, f"codec {fourcc!r}"), wanted)
    return packet_type, at + 4


def _unsupported(kind: str, what: str, wanted: str) -> UnsupportedMedia:
    return UnsupportedMedia(
        f"This stream's {kind} is {what}, which is not taken here.",
        hint=f"Set the encoder's {kind} to {wanted} (ffmpeg: {'-c:v libx264' if kind == 'video' else '-c:a aac'}).",
    )


def _signed_24(data: memoryview) -> int:
    value = int.from_bytes(data, "big")
    return value - (1 << 24) if value & 0x800000 else value
