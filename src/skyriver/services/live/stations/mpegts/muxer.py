"""Media events into a transport stream of one program (ISO/IEC 13818-1, 2.4): H.264 or HEVC, and AAC in ADTS.

Tables come with each keyframe and at least each 100 ms, the clock reference with each frame of the stream that carries
it: the picture's, or the sound's where there is none.
"""

from __future__ import annotations

from skyriver.services.live.stations.codecs.adts import adts_header
from skyriver.services.live.stations.events import AudioConfig, AudioFrame, VideoConfig, VideoFrame
from skyriver.services.live.stations.mpegts.demuxer import PACKET_BYTES
from skyriver.services.live.stations.mpegts.tables import crc_32

_PAT_PID, _PMT_PID, _VIDEO_PID, _AUDIO_PID = 0, 0x1000, 0x100, 0x101
_H264, _HEVC, _AAC = 0x1B, 0x24, 0x0F  # stream types, table 2-34
_VIDEO_ID, _AUDIO_ID = 0xE0, 0xC0  # stream ids, table 2-22
_DELIMITERS = {_H264: b"\0\0\0\1\x09\xf0", _HEVC: b"\0\0\0\1\x46\1\x50"}  # 2.14.1: each access unit begins with one
_TICKS_PER_MS = 90
_WRAP = 1 << 33
_TABLES_EVERY = 100 * _TICKS_PER_MS  # ETSI TR 101 290 asks for one in 500 ms, players that join like less
_BUFFERED = 400 * _TICKS_PER_MS
"""How long before its decode time a frame arrives by the stream's own clock: the two tracks may come this far apart."""
_PAYLOAD_BYTES = PACKET_BYTES - 4
_ADAPTATION, _PAYLOAD = 0x20, 0x10


class TsWriter:
    """Events in, whole transport packets out.

    Args:
        has_audio: sound will come, though nothing has described it yet; so the tables need not change.
    """

    def __init__(self, *, has_audio: bool = False) -> None:
        self._video_type: int | None = None
        self._has_audio = has_audio
        self._audio: AudioConfig | None = None
        self._counters: dict[int, int] = {}
        self._tables: tuple[bytes, bytes] | None = None
        self._version = -1
        self._tables_due: int | None = None

    def write(self, event: VideoConfig | VideoFrame | AudioConfig | AudioFrame) -> bytes:
        """The packets of one event; empty for descriptions, and for frames that nothing has described.

        Raises UnsupportedMedia: sound that ADTS cannot describe.
        """
        match event:
            case VideoConfig(codec):
                kind = _HEVC if codec.startswith("hev1") else _H264
                if kind != self._video_type:
                    self._video_type, self._tables = kind, None
            case AudioConfig():
                adts_header(event, 0)  # or it is refused
                if not self._has_audio:
                    self._has_audio, self._tables = True, None
                self._audio = event
            case VideoFrame(payload, dts_ms, pts_ms, keyframe) if self._video_type is not None:
                data = _DELIMITERS[self._video_type] + payload
                dts = dts_ms * _TICKS_PER_MS
                head = _pes_header(
                    _VIDEO_ID, None, dts + (pts_ms - dts_ms) * _TICKS_PER_MS + _BUFFERED, dts + _BUFFERED
                )
                return self._tables_at(dts, now=keyframe) + self._packets(_VIDEO_PID, head + data, dts, keyframe)
            case AudioFrame(payload, pts_ms) if self._audio is not None:
                pts = pts_ms * _TICKS_PER_MS
                data = adts_header(self._audio, len(payload)) + payload
                head = _pes_header(_AUDIO_ID, len(data), pts + _BUFFERED, None)
                alone = self._video_type is None
                tables = self._tables_at(pts, now=False) if alone or self._tables is None else b""
                return tables + self._packets(_AUDIO_PID, head + data, pts if alone else None, random_access=True)
        return b""

    def _tables_at(self, time: int, *, now: bool) -> bytes:
        if self._tables is not None and not now and self._tables_due is not None and time < self._tables_due:
            return b""
        self._tables_due = time + _TABLES_EVERY
        if self._tables is None:
            self._version = self._version + 1 & 31
            self._tables = _pat(), self._pmt()
        pat, pmt = self._tables
        return self._packet(_PAT_PID, b"\0" + pat, fill=0xFF) + self._packet(_PMT_PID, b"\0" + pmt, fill=0xFF)

    def _pmt(self) -> bytes:
        streams = [] if self._video_type is None else [(self._video_type, _VIDEO_PID)]
        clock_pid = streams[0][1] if streams else _AUDIO_PID
        streams += [(_AAC, _AUDIO_PID)] if self._has_audio else []
        body = (0xE000 | clock_pid).to_bytes(2, "big") + b"\xf0\0"
        for kind, pid in streams:
            body += bytes((kind,)) + (0xE000 | pid).to_bytes(2, "big") + b"\xf0\0"
        return _section(2, 1, self._version, body)

    def _packets(self, pid: int, data: bytes, clock: int | None, random_access: bool) -> bytes:
        """One PES packet as transport packets."""
        flags = (0x40 if random_access else 0) | (0x10 if clock is not None else 0)
        field = bytes((flags,)) + (_clock_reference(clock) if clock is not None else b"") if flags else b""
        out, at, begins = [], 0, True
        while at < len(data):
            room = _PAYLOAD_BYTES - (1 + len(field) if field else 0)
            piece = data[at : at + room]
            at += len(piece)
            out.append(self._packet(pid, piece, field=field, begins=begins))
            field, begins = b"", False
        return b"".join(out)

    def _packet(self, pid: int, payload: bytes, *, field: bytes = b"", begins: bool = True, fill: int = -1) -> bytes:
        """One transport packet, stuffed to its size: a section behind it, all else in the adaptation field."""
        count = self._counters[pid] = self._counters.get(pid, -1) + 1 & 15
        missing = _PAYLOAD_BYTES - len(payload) - (1 + len(field) if field else 0)
        if fill >= 0:
            payload += bytes((fill,)) * missing
            missing = 0
        adaptation = b""
        if field or missing:
            if not field and missing == 1:
                adaptation = b"\0"
            else:
                field = (field or b"\0") + b"\xff" * (missing if field else missing - 2)
                adaptation = bytes((len(field),)) + field
        control = (_ADAPTATION if adaptation else 0) | _PAYLOAD | count
        head = b"\x47" + ((0x4000 if begins else 0) | pid).to_bytes(2, "big") + bytes((control,))
        return head + adaptation + payload


def _pat() -> bytes:
    return _section(0, 1, 0, (1).to_bytes(2, "big") + (0xE000 | _PMT_PID).to_bytes(2, "big"))


def _section(table_id: int, number: int, version: int, body: bytes) -> bytes:
    """A section of one table (2.4.4.3, 2.4.4.8), with its checksum."""
    head = bytes((table_id,)) + (0xB000 | (len(body) + 9)).to_bytes(2, "big") + number.to_bytes(2, "big")
    section = head + bytes((0xC1 | version << 1, 0, 0)) + body
    return section + crc_32(section).to_bytes(4, "big")


def _pes_header(stream_id: int, size: int | None, pts: int, dts: int | None) -> bytes:
    """2.4.3.7. A picture's length may stay open, and a large one has to."""
    stamps = _stamp(3, pts) + _stamp(1, dts) if dts is not None else _stamp(2, pts)
    flags = 0xC0 if dts is not None else 0x80
    length = (size + 3 + len(stamps)).to_bytes(2, "big") if size is not None else b"\0\0"
    return b"\0\0\1" + bytes((stream_id,)) + length + bytes((0x84, flags, len(stamps))) + stamps


def _stamp(mark: int, time: int) -> bytes:
    time %= _WRAP
    value = mark << 36 | (time >> 30) << 33 | 1 << 32 | (time >> 15 & 0x7FFF) << 17 | 1 << 16 | (time & 0x7FFF) << 1 | 1
    return value.to_bytes(5, "big")


def _clock_reference(time: int) -> bytes:
    """program_clock_reference (2.4.3.5), the extension of 27 MHz left at 0."""
    return ((time % _WRAP) << 15 | 0x3F << 9).to_bytes(6, "big")
