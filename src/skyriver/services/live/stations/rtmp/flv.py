"""FLV audio and video tags (Adobe FLV 10.1, E.4.2 and E.4.3; Enhanced RTMP v2) into media events.

One `FlvReader` per publication. Taken: H.264, HEVC, AV1 and VP9; AAC and Opus. Everything else raises UnsupportedMedia,
naming what came. Of several tracks (multitrack) the one with the number 0 counts; of each other one a Notice is told.
Frames before their sequence header are dropped: an encoder that is joined in the middle sends the header with its next
keyframe.
"""

from __future__ import annotations

from collections.abc import Iterator

from skyriver.services.live.stations.codecs.aac import parse_audio_config
from skyriver.services.live.stations.codecs.opus import MAX_PACKET_BYTES, opus_config
from skyriver.services.live.stations.errors import DamagedMedia, UnsupportedMedia
from skyriver.services.live.stations.events import AudioConfig, AudioFrame, Notice, VideoConfig, VideoFrame
from skyriver.services.live.stations.rtmp.enhanced import Header, enhanced_header
from skyriver.services.live.stations.rtmp.video_codecs import VIDEO_CODECS, VideoCodec

VIDEO_FOURCC = ("avc1", "hvc1", "av01", "vp09")
AUDIO_FOURCC = ("mp4a", "Opus")

_OLD_VIDEO = {7: b"avc1", 12: b"hvc1"}  # 12 is no part of FLV; encoders in China use it for HEVC
_VIDEO_CODECS = {2: "Sorenson H.263", 3: "Screen video", 4: "VP6", 5: "VP6 with alpha", 6: "Screen video 2"}
_VIDEO_CODECS |= {8: "H.263", 9: "MPEG-4 part 2", 13: "AV1 in a form that is not Enhanced RTMP"}
_VIDEO_NAMES = {b"vp08": "VP8", b"vvc1": "VVC (H.266)"}
_AUDIO_FORMATS = {0: "PCM", 1: "ADPCM", 2: "MP3", 3: "PCM", 4: "Nellymoser", 5: "Nellymoser", 6: "Nellymoser"}
_AUDIO_FORMATS |= {7: "G.711 A-law", 8: "G.711 mu-law", 11: "Speex", 14: "MP3 at 8 kHz"}
_AUDIO_NAMES = {b".mp3": "MP3", b"ac-3": "AC-3", b"ec-3": "E-AC-3", b"fLaC": "FLAC"}

_AAC, _ENHANCED_AUDIO = 10, 9
_KEYFRAME, _COMMAND_FRAME = 1, 5
_SEQUENCE_HEADER, _CODED, _CODED_NO_OFFSET = 0, 1, 3
_VIDEO_MULTITRACK, _AUDIO_MULTITRACK = 6, 5
_NOTICES_MAX = 8  # of a publication: each travels to the control plane
_VIDEO_ADVICE = "H.264, HEVC, AV1 or VP9 (ffmpeg: -c:v libx264)"
_AUDIO_ADVICE = "AAC or Opus (ffmpeg: -c:a aac)"


class FlvReader:
    """Tag bodies in, media events out; remembers the sequence headers."""

    def __init__(self) -> None:
        self._fourcc = b""
        self._video: VideoCodec | None = None
        self._audio: AudioConfig | None = None
        self._left_out: set[tuple[str, int]] = set()

    def video(self, body: memoryview, dts_ms: int) -> Iterator[VideoConfig | VideoFrame | Notice]:
        """Events of one video tag. Raises UnsupportedMedia or DamagedMedia."""
        if not body:
            return
        first = body[0]
        frame_type = first >> 4 & 7
        if frame_type == _COMMAND_FRAME:
            return
        if first & 0x80:
            others: list[int] = []
            header = enhanced_header(body, _VIDEO_MULTITRACK, "video", others.append)
            yield from self._notices("video", others)
            if header is None:
                return
            has_offset = header.fourcc in (b"avc1", b"hvc1")
        else:
            if first & 15 not in _OLD_VIDEO:
                raise _unsupported("video", _VIDEO_CODECS.get(first & 15, f"codec {first & 15}"), _VIDEO_ADVICE)
            if len(body) < 5:
                return
            # The composition time stands in the sequence header too, and means nothing there.
            at = 5 if body[1] == _SEQUENCE_HEADER else 2
            header = Header(body[1], _OLD_VIDEO[first & 15], body[at:])
            has_offset = True
            if header.packet_type == _CODED_NO_OFFSET:
                return
        yield from self._video_packet(header, frame_type == _KEYFRAME, dts_ms, has_offset=has_offset)

    def audio(self, body: memoryview, pts_ms: int) -> Iterator[AudioConfig | AudioFrame | Notice]:
        """Events of one audio tag. Raises UnsupportedMedia or DamagedMedia."""
        if not body:
            return
        sound_format = body[0] >> 4
        if sound_format == _ENHANCED_AUDIO:
            others: list[int] = []
            header = enhanced_header(body, _AUDIO_MULTITRACK, "audio", others.append)
            yield from self._notices("audio", others)
            if header is None:
                return
            if header.fourcc.decode("latin-1") not in AUDIO_FOURCC:
                raise _unsupported("audio", _AUDIO_NAMES.get(header.fourcc, f"codec {header.fourcc!r}"), _AUDIO_ADVICE)
        elif sound_format == _AAC:
            if len(body) < 2:
                return
            header = Header(body[1], b"mp4a", body[2:])
        else:
            raise _unsupported("audio", _AUDIO_FORMATS.get(sound_format, f"format {sound_format}"), _AUDIO_ADVICE)
        yield from self._audio_packet(header, pts_ms)

    def _notices(self, kind: str, others: list[int]) -> Iterator[Notice]:
        """The first tracks that are left out are told, each once."""
        for number in others:
            if (kind, number) not in self._left_out and len(self._left_out) < _NOTICES_MAX:
                self._left_out.add((kind, number))
                yield Notice(
                    f"This stream has another {kind} track (number {number}), which is not taken: only track 0 is. "
                    f"Switch multitrack off in the encoder, or publish the other track to a channel of its own."
                )

    def _video_packet(
        self, header: Header, keyframe: bool, dts_ms: int, *, has_offset: bool
    ) -> Iterator[VideoConfig | VideoFrame]:
        make = VIDEO_CODECS.get(header.fourcc)
        if make is None:
            name = _VIDEO_NAMES.get(header.fourcc, f"codec {header.fourcc!r}")
            raise _unsupported("video", name, _VIDEO_ADVICE)
        data = header.payload
        if header.packet_type == _SEQUENCE_HEADER:
            if data:
                codec = self._video if self._video is not None and self._fourcc == header.fourcc else make()
                config = codec.configure(bytes(data))
                self._video, self._fourcc = codec, header.fourcc
                if config is not None:
                    yield config
            return
        if header.packet_type not in (_CODED, _CODED_NO_OFFSET) or self._video is None:
            return  # end of sequence, HDR metadata
        offset_ms = 0
        if header.packet_type == _CODED and has_offset:
            offset_ms, data = _signed_24(data[:3]), data[3:]
        config, payload, keyframe = self._video.read(data, keyframe=keyframe)
        if config is not None:
            yield config
        if payload:
            yield VideoFrame(payload, dts_ms, dts_ms + offset_ms, keyframe)

    def _audio_packet(self, header: Header, pts_ms: int) -> Iterator[AudioConfig | AudioFrame]:
        data = bytes(header.payload)
        is_opus = header.fourcc == b"Opus"
        if header.packet_type == _SEQUENCE_HEADER and data:
            config = opus_config(2, data) if is_opus else parse_audio_config(data)
            if config != self._audio:
                self._audio = config
                yield config
        elif header.packet_type == _CODED and self._audio is not None and data:
            if is_opus and len(data) > MAX_PACKET_BYTES:
                raise DamagedMedia(f"A packet of Opus of {len(data)} bytes; the limit is {MAX_PACKET_BYTES}.")
            yield AudioFrame(data, pts_ms)


def _unsupported(kind: str, what: str, wanted: str) -> UnsupportedMedia:
    return UnsupportedMedia(
        f"This stream's {kind} is {what}, which is not taken here.", hint=f"Set the encoder's {kind} to {wanted}."
    )


def _signed_24(data: memoryview) -> int:
    value = int.from_bytes(data, "big")
    return value - (1 << 24) if value & 0x800000 else value
