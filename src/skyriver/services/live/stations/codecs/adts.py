"""AAC in ADTS (ISO/IEC 13818-7, 6.2) into raw access units and back: what a transport stream carries."""

from __future__ import annotations

from skyriver.services.live.stations.codecs.aac import parse_audio_config
from skyriver.services.live.stations.errors import UnsupportedMedia
from skyriver.services.live.stations.events import AudioConfig, AudioFrame

_SAMPLES = 1024
_HEADER_BYTES, _CRC_BYTES = 7, 2
_MAX_HELD_BYTES = 8192  # one frame has 13 bits of length
_WIRE = 1 << 32


class AdtsReader:
    """One audio stream. Frames may go on from one packet into the next; damage is skipped up to the next header."""

    def __init__(self) -> None:
        self._held = b""
        self._config: AudioConfig | None = None
        self._time_ms = 0.0  # of the frame that begins next
        self.damaged = 0

    def read(self, payload: bytes, pts_ms: int | None) -> list[AudioConfig | AudioFrame]:
        """Whole frames, and what they are whenever that is new.

        Args:
            pts_ms: the time of the first frame that begins in `payload`; None where the container gives none.

        Raises:
            UnsupportedMedia, DamagedMedia.
        """
        data, at = self._held + payload, 0
        timed_from = len(self._held)
        events: list[AudioConfig | AudioFrame] = []
        while at + _HEADER_BYTES <= len(data):
            size = _frame_size(data, at)
            if size is None:
                at = self._skip(data, at)
                continue
            if at + size > len(data):
                break
            if pts_ms is not None and at >= timed_from:
                self._time_ms, pts_ms = float(pts_ms), None
            events += self._frame(data[at : at + size])
            at += size
        self._held = data[at:] if len(data) - at <= _MAX_HELD_BYTES else b""
        if pts_ms is not None:  # the frame it belongs to is not whole yet
            self._time_ms = float(pts_ms) if not timed_from or at >= timed_from else self._time_ms
        return events

    def _frame(self, frame: bytes) -> list[AudioConfig | AudioFrame]:
        if frame[6] & 3:
            raise UnsupportedMedia(
                "This stream's AAC has several blocks in one ADTS frame, which is not taken here.",
                hint="Set the encoder's audio to plain AAC-LC.",
            )
        object_type, rate_index = (frame[2] >> 6) + 1, frame[2] >> 2 & 15
        channels = (frame[2] & 1) << 2 | frame[3] >> 6
        specific = (object_type << 11 | rate_index << 7 | channels << 3).to_bytes(2, "big")
        events: list[AudioConfig | AudioFrame] = []
        if self._config is None or self._config.init != specific:
            self._config = parse_audio_config(specific)
            events.append(self._config)
        begins = _HEADER_BYTES + (0 if frame[1] & 1 else _CRC_BYTES)
        if len(frame) > begins:
            events.append(AudioFrame(frame[begins:], round(self._time_ms) % _WIRE))
        self._time_ms += _SAMPLES * 1000 / self._config.sample_rate_hz
        return events

    def _skip(self, data: bytes, at: int) -> int:
        self.damaged += 1
        following = data.find(b"\xff", at + 1)
        return following if following >= 0 else len(data)


def adts_header(config: AudioConfig, size: int) -> bytes:
    """The header of a raw access unit of `size` bytes.

    Raises UnsupportedMedia: ADTS has no words for this sound.
    """
    specific = int.from_bytes(config.init[:2], "big")
    object_type, rate_index, channels = specific >> 11, specific >> 7 & 15, specific >> 3 & 15
    if config.codec == "opus" or len(config.init) < 2 or rate_index > 12 or not 1 <= channels <= 7:
        raise UnsupportedMedia("This sound cannot be put into a transport stream.", hint="Plain AAC-LC can.")
    profile = object_type - 1 if object_type <= 4 else 1  # HE-AAC: its AAC-LC core, as decoders without ADTS words do
    total = _HEADER_BYTES + size
    value = 0xFFF1 << 40 | profile << 38 | rate_index << 34 | channels << 30 | total << 13 | 0x7FF << 2
    return value.to_bytes(_HEADER_BYTES, "big")


def _frame_size(data: bytes, at: int) -> int | None:
    """Size of the frame whose header is at `at`; None if there is no header."""
    if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return None
    size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    return size if size >= _HEADER_BYTES else None
