"""A transport stream's packets into the media events of its first program (ISO/IEC 13818-1, 2.4).

- The first program with a picture or sound counts; of it the first video and the first audio stream that we take.
- Taken: H.264, HEVC, AAC in ADTS. A program whose picture or sound is something else raises UnsupportedMedia by name.
- A hole (continuity counter) throws the unfinished frame of its stream away, and video goes on with the next frame: its
  decoder conceals what it can, and starts afresh at the next keyframe.
- Lost synchronisation is found again at the next place where three packets in a row begin with the sync byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from skyriver.kernel.errors import SkyriverError
from skyriver.services.live.stations.codecs.adts import AdtsReader
from skyriver.services.live.stations.codecs.annexb import AnnexBReader, H264Reader, HevcReader
from skyriver.services.live.stations.errors import DamagedMedia, UnsupportedMedia
from skyriver.services.live.stations.events import AudioConfig, AudioFrame, VideoConfig, VideoFrame
from skyriver.services.live.stations.mpegts import tables
from skyriver.services.live.stations.mpegts.pes import Pes, PesReader, WireClock
from skyriver.services.live.stations.mpegts.tables import ElementaryStream, SectionReader

PACKET_BYTES = 188
_SYNC = 0x47
_PAT_PID, _NULL_PID = 0, 0x1FFF
_MAX_PROGRAMS = 16
_DAMAGED_IN_A_ROW = 50  # two seconds of pictures, one of sound

SCRAMBLED = UnsupportedMedia(
    "This transport stream is scrambled, which is not taken here.",
    hint="Send it in the clear, and encrypt the connection with an SRT passphrase.",
)

TsEvent = VideoConfig | VideoFrame | AudioConfig | AudioFrame


@dataclass(frozen=True, slots=True)
class TsLimits:
    """Bounds of one transport stream."""

    max_video_pes_bytes: int = 8 << 20
    """As `Limits.max_message_bytes` of RTMP: a 4K keyframe at 100 Mbit/s is about 4 MiB."""
    max_audio_pes_bytes: int = 64 << 10
    """A length of 16 bits; no muxer leaves it out for sound."""


@dataclass(slots=True)
class Counters:
    """What came, and what was wrong with it, since the beginning."""

    packets: int = 0
    continuity_errors: int = 0
    """Holes: packets of our streams that did not come."""
    flagged_errors: int = 0
    """Packets that the sender's own input had damaged (transport_error_indicator)."""
    resyncs: int = 0
    damaged: int = 0
    """Frames and PES packets that made no sense."""


class TsReader:
    """Bytes in, media events out."""

    def __init__(self, limits: TsLimits | None = None) -> None:
        self.counters = Counters()
        self._limits = limits or TsLimits()
        self._held = b""
        self._tables: dict[int, SectionReader] = {_PAT_PID: SectionReader()}
        self._program_pid: int | None = None
        self._layout: list[ElementaryStream] = []
        self._streams: dict[int, _Video | _Audio] = {}
        self._continuity: dict[int, int] = {}
        self._clock = WireClock()

    @property
    def held_bytes(self) -> int:
        """Bytes of unfinished packets and frames."""
        return len(self._held) + sum(stream.pes.held_bytes for stream in self._streams.values())

    def feed(self, data: bytes) -> Iterator[TsEvent]:
        """Take a piece of the stream. Raises UnsupportedMedia or DamagedMedia."""
        data = self._held + data if self._held else data
        at, end = 0, len(data) - PACKET_BYTES
        try:
            while at <= end:
                if data[at] != _SYNC:
                    at = self._resync(data, at)
                    continue
                packet_at, at = at, at + PACKET_BYTES
                self.counters.packets += 1
                pid = (data[packet_at + 1] & 31) << 8 | data[packet_at + 2]
                if pid in self._streams or pid in self._tables:
                    yield from self._packet(pid, data[packet_at:at])
        finally:
            self._held = data[at:]

    def _resync(self, data: bytes, at: int) -> int:
        """Where packets begin again; the end, less one packet, if that is not in `data`."""
        self.counters.resyncs += 1
        last = len(data) - 2 * PACKET_BYTES
        candidate = data.find(b"\x47", at + 1)
        while 0 <= candidate < last:
            if data[candidate + PACKET_BYTES] == _SYNC and data[candidate + 2 * PACKET_BYTES] == _SYNC:
                return candidate
            candidate = data.find(b"\x47", candidate + 1)
        return candidate if candidate >= 0 else len(data)

    def _packet(self, pid: int, packet: bytes) -> Iterator[TsEvent]:
        flags, control = packet[1], packet[3]
        if flags & 0x80:
            self.counters.flagged_errors += 1
            return
        if not control & 0x10:
            return  # no payload: the counter stands still
        stream = self._streams.get(pid)
        begins, random_access, stuffed, restarted = _adaptation(packet) if control & 0x20 else (4, False, False, False)
        before, count = self._continuity.get(pid), control & 15
        self._continuity[pid] = count
        if before is not None and not restarted:
            if count == before:
                return  # sent twice, as 2.4.3.3 allows
            if count != (before + 1) & 15:
                self.counters.continuity_errors += (count - before - 1) & 15
                if stream is not None:
                    stream.pes.lose()
        if control & 0xC0 and stream is not None:
            self._bad(stream, SCRAMBLED)
            return
        payload, starts = packet[begins:], bool(flags & 0x40)
        if stream is None:
            for section in self._tables[pid].feed(payload, starts=starts):
                self._table(pid, section)
            return
        damaged = stream.pes.damaged
        for pes in stream.pes.feed(payload, starts=starts, random_access=random_access, stuffed=stuffed):
            yield from self._frames(stream, pes)
        self.counters.damaged += stream.pes.damaged - damaged

    def _frames(self, stream: _Video | _Audio, pes: Pes) -> Iterator[TsEvent]:
        try:
            yield from stream.read(pes, self._clock)
            stream.damaged_in_a_row = 0
        except (DamagedMedia, UnsupportedMedia) as error:
            self._bad(stream, error)

    def _bad(self, stream: _Video | _Audio, error: SkyriverError) -> None:
        """Something made no sense. That may be a moment's damage: only much of it in a row is what the stream is."""
        self.counters.damaged += 1
        stream.damaged_in_a_row += 1
        if stream.damaged_in_a_row >= _DAMAGED_IN_A_ROW:
            raise error

    def _table(self, pid: int, section: bytes) -> None:
        if pid == _PAT_PID:
            listed = tables.programs(section)
            if listed is not None and self._program_pid not in listed:
                self._program_pid = None
                self._tables = {_PAT_PID: self._tables[_PAT_PID]}
                self._tables |= {p: SectionReader() for p in listed[:_MAX_PROGRAMS] if p not in (_PAT_PID, _NULL_PID)}
            return
        layout = tables.streams(section)
        if layout is None or self._program_pid not in (None, pid) or layout == self._layout:
            return
        video = [s for s in layout if s.kind in tables.VIDEO_KINDS]
        audio = [s for s in layout if s.kind in tables.AUDIO_KINDS]
        if not video and not audio:
            return
        self._program_pid, self._layout = pid, layout
        self._choose(_one(video, (tables.H264, tables.HEVC), "video"), _one(audio, (tables.AAC,), "audio"))

    def _choose(self, video: ElementaryStream | None, audio: ElementaryStream | None) -> None:
        kept = self._streams
        self._streams = {}
        for stream in (video, audio):
            if stream is None:
                continue
            old = kept.get(stream.pid)
            self._streams[stream.pid] = old if old is not None and old.kind == stream.kind else self._open(stream.kind)
        self._continuity = {p: c for p, c in self._continuity.items() if p in self._streams or p in self._tables}

    def _open(self, kind: str) -> _Video | _Audio:
        if kind == tables.AAC:
            return _Audio(kind, PesReader(self._limits.max_audio_pes_bytes))
        reader = H264Reader() if kind == tables.H264 else HevcReader()
        return _Video(kind, PesReader(self._limits.max_video_pes_bytes), reader)


class _Video:
    """The video stream: a PES packet is an access unit."""

    def __init__(self, kind: str, pes: PesReader, reader: AnnexBReader) -> None:
        self.kind = kind
        self.pes = pes
        self.damaged_in_a_row = 0
        self._reader = reader

    def read(self, pes: Pes, clock: WireClock) -> Iterator[TsEvent]:
        config, payload, keyframe = self._reader.read(pes.payload, random_access=pes.random_access)
        if config is not None:
            yield config
        if payload and pes.pts is not None and pes.dts is not None:
            dts_ms, pts_ms = clock.wire_ms(pes.pts, pes.dts)
            yield VideoFrame(payload, dts_ms, pts_ms, keyframe)


class _Audio:
    """The audio stream: a PES packet is a few frames."""

    def __init__(self, kind: str, pes: PesReader) -> None:
        self.kind = kind
        self.pes = pes
        self.damaged_in_a_row = 0
        self._reader = AdtsReader()

    def read(self, pes: Pes, clock: WireClock) -> Iterator[TsEvent]:
        pts_ms = clock.wire_ms(pes.pts, pes.pts)[0] if pes.pts is not None else None
        yield from self._reader.read(pes.payload, pts_ms)


def _adaptation(packet: bytes) -> tuple[int, bool, bool, bool]:
    """Where the payload begins, random access, whether there is stuffing, whether counters start anew (2.4.3.4)."""
    size = packet[4]
    if size == 0:
        return 5, False, True, False
    if size > 183:
        return PACKET_BYTES, False, False, False
    flags = packet[5]
    used = 1 + 6 * bool(flags & 0x10) + 6 * bool(flags & 0x08) + bool(flags & 0x04)
    for present in (flags & 0x02, flags & 0x01):  # private data, extension: each with its own length
        if present and 5 + used < PACKET_BYTES:
            used += 1 + packet[5 + used]
    return 5 + size, bool(flags & 0x40), size > used, bool(flags & 0x80)


def _one(streams: list[ElementaryStream], taken: tuple[str, ...], what: str) -> ElementaryStream | None:
    """The first stream that we take; None if there is none at all."""
    if not streams:
        return None
    for stream in streams:
        if stream.kind in taken:
            return stream
    flag = "-c:v libx264" if what == "video" else "-c:a aac"
    raise UnsupportedMedia(
        f"This stream's {what} is {streams[0].kind}, which is not taken here.",
        hint=f"Set the encoder's {what} to {taken[0]} (ffmpeg: {flag}).",
    )
