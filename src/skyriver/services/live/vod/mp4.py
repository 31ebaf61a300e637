"""A recording as one MP4 file that plays everywhere: `moov` first, no fragments (ISO/IEC 14496-12).

The samples stay where they are: a plan says which bytes of which objects follow the header, so that a file of any size
is sent with the memory of one segment, and any range of it can be asked for. Planning reads the head (`moof`) of every
segment; the header holds every sample of the show, about 15 MB for ten hours.

Time begins with the clip's in-point, or with the first picture: edit lists leave out what comes before, to the frame.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from skyriver.kernel.errors import InvalidInput
from skyriver.services.live.cmaf.boxes import box, full_box

MOVIE_TIMESCALE = 90_000
_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED = 0x55C4
_MDAT_HEAD_BYTES = 8
_NOT_SYNC_FLAG = 0x00010000


class DamagedRecording(InvalidInput):
    """A segment or an init segment of a recording is not what it should be."""

    code = "damaged_recording"


@dataclass(frozen=True)
class Piece:
    """Bytes of an object that are part of a file."""

    key: str
    start: int
    length: int


@dataclass(frozen=True)
class Head:
    """One segment as the plan needs it: `moof`, where the object is, and which sample entry decodes it."""

    key: str
    size_bytes: int
    moof: bytes
    entry: bytes
    start_us: int


@dataclass
class Track:
    """One track of the file. `heads` in order of time."""

    timescale: int
    video: bool
    width: int = 0
    height: int = 0
    heads: list[Head] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """A file: its header, and what follows it."""

    header: bytes
    pieces: tuple[Piece, ...]

    @property
    def size_bytes(self) -> int:
        return len(self.header) + sum(piece.length for piece in self.pieces)

    def between(self, start: int, end: int) -> Iterator[bytes | Piece]:
        """What makes up the bytes `start` up to `end` of the file."""
        at = len(self.header)
        if start < at:
            yield self.header[start:end]
        for piece in self.pieces:
            low, high = max(start, at), min(end, at + piece.length)
            if low < high:
                yield Piece(piece.key, piece.start + low - at, high - low)
            at += piece.length


def plan(tracks: Sequence[Track], *, from_us: int | None = None, to_us: int | None = None) -> Plan:
    """The file of these tracks.

    Args:
        from_us, to_us: media time; what is shown. By default from the first picture to the end.

    Raises:
        DamagedRecording: a segment cannot be read.
    """
    tables = [_Table(track) for track in tracks if track.heads]
    if not tables:
        raise DamagedRecording("There is nothing in this recording that an MP4 file could hold.")
    videos = [table for table in tables if table.track.video] or tables
    begin_us = from_us if from_us is not None else videos[0].begin_us
    end_us = to_us if to_us is not None else max(table.end_us for table in tables)
    order = sorted(
        ((head.start_us, not table.track.video, number, place) for number, table in enumerate(tables)
         for place, head in enumerate(table.track.heads)),
    )  # fmt: skip
    media_bytes = sum(table.chunk_bytes[place] for *_, number, place in order for table in (tables[number],))
    brands = box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2avc1mp41")
    moov_bytes = len(_moov(tables, begin_us, end_us))
    mdat = struct.pack(">I4sQ", 1, b"mdat", 16 + media_bytes)
    at = len(brands) + moov_bytes + len(mdat)
    pieces = []
    for *_, number, place in order:
        table = tables[number]
        head = table.track.heads[place]
        length = table.chunk_bytes[place]
        table.chunk_offsets[place] = at
        pieces.append(Piece(head.key, len(head.moof) + _MDAT_HEAD_BYTES, length))
        at += length
    moov = _moov(tables, begin_us, end_us)
    assert len(moov) == moov_bytes
    return Plan(brands + moov + mdat, tuple(pieces))


class _Table:
    """The sample tables of one track."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self.sizes = array("I")
        self.durations = array("I")
        self.compositions = array("I")
        self.syncs = array("I")
        self.chunk_samples: list[int] = []
        self.chunk_bytes: list[int] = []
        self.chunk_offsets: list[int] = [0] * len(track.heads)
        self.chunk_entries: list[int] = []
        self.entries: list[bytes] = []
        self.first_dts = 0
        self._dts = 0
        for head in track.heads:
            self._add(head)
        self.duration = self._dts - self.first_dts

    @property
    def begin_us(self) -> int:
        """When its first sample is shown."""
        return self._microseconds(self.first_dts + (self.compositions[0] if self.compositions else 0))

    @property
    def end_us(self) -> int:
        return self._microseconds(self._dts)

    def _microseconds(self, time: int) -> int:
        return time * 1_000_000 // self.track.timescale

    def _add(self, head: Head) -> None:
        decode_time, samples = read_moof(head.moof)
        if not self.durations:
            self.first_dts = self._dts = decode_time
        else:  # the last sample lasts until this segment, over whatever is missing
            before = self._dts - self.durations[-1]
            self.durations[-1] = max(1, min(decode_time - before, 0xFFFFFFFF))
            self._dts = before + self.durations[-1]
        if head.entry not in self.entries:
            self.entries.append(head.entry)
        for duration, size, composition, sync in samples:
            self.durations.append(duration)
            self.sizes.append(size)
            self.compositions.append(composition)
            if sync:
                self.syncs.append(len(self.sizes))
            self._dts += duration
        total = sum(size for _, size, *_ in samples)
        if len(head.moof) + _MDAT_HEAD_BYTES + total != head.size_bytes:
            raise DamagedRecording(f"The segment {head.key} does not hold what its index says.")
        self.chunk_samples.append(len(samples))
        self.chunk_bytes.append(total)
        self.chunk_entries.append(self.entries.index(head.entry) + 1)

    def boxes(self) -> bytes:
        """`stbl` (8.5.1)."""
        parts = [
            full_box(b"stsd", 0, 0, struct.pack(">I", len(self.entries)), *self.entries),
            full_box(b"stts", 0, 0, *_runs(self.durations)),
        ]
        if any(self.compositions):
            parts.append(full_box(b"ctts", 0, 0, *_runs(self.compositions)))
        if self.track.video:
            parts.append(full_box(b"stss", 0, 0, struct.pack(">I", len(self.syncs)), _big_endian(self.syncs)))
        parts += [
            full_box(b"stsc", 0, 0, *self._chunk_runs()),
            full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(self.sizes)), _big_endian(self.sizes)),
            full_box(b"co64", 0, 0, struct.pack(">I", len(self.chunk_offsets)), self._offsets()),
        ]
        return box(b"stbl", *parts)

    def _offsets(self) -> bytes:
        return b"".join(struct.pack(">Q", offset) for offset in self.chunk_offsets)

    def _chunk_runs(self) -> list[bytes]:
        runs: list[bytes] = []
        last = None
        for number, now in enumerate(zip(self.chunk_samples, self.chunk_entries, strict=True), 1):
            if now != last:
                runs.append(struct.pack(">III", number, *now))
                last = now
        return [struct.pack(">I", len(runs)), *runs]


def read_moof(moof: bytes) -> tuple[int, list[tuple[int, int, int, bool]]]:
    """Decode time of the first sample, and (duration, size, composition, sync) of each.

    Raises:
        DamagedRecording: it is not one of ours.
    """
    try:
        traf = _child(_child(moof, b"moof"), b"traf")
        tfdt, trun = _child(traf, b"tfdt"), _child(traf, b"trun")
        decode_time: int = struct.unpack_from(">Q", tfdt, 4)[0] if tfdt[0] else struct.unpack_from(">I", tfdt, 4)[0]
        flags, count = struct.unpack_from(">II", trun, 0)
        if flags & 0xFFF not in (0x701, 0xF01):
            raise ValueError(f"trun flags {flags:x}")
        composed = bool(flags & 0x800)
        row = struct.Struct(">IIII" if composed else ">III")
        rows = row.iter_unpack(trun[12 : 12 + count * row.size])
        samples = [(r[0], r[1], r[3] if composed else 0, not r[2] & _NOT_SYNC_FLAG) for r in rows]
        if len(samples) != count or not count or any(s[2] >= 1 << 31 for s in samples):
            raise ValueError(f"{len(samples)} samples of {count}")
    except (ValueError, struct.error, IndexError) as error:
        raise DamagedRecording(f"A segment's head cannot be read: {error}.") from error
    return decode_time, samples


def sample_entry(init: bytes) -> tuple[bytes, int]:
    """The sample entry and the timescale in an init segment of ours.

    Raises:
        DamagedRecording: it is not one.
    """
    try:
        mdia = _child(_child(_child(init, b"moov"), b"trak"), b"mdia")
        stsd = _child(_child(_child(mdia, b"minf"), b"stbl"), b"stsd")
        mdhd = _child(mdia, b"mdhd")
        timescale: int = struct.unpack_from(">I", mdhd, 20 if mdhd[0] else 12)[0]
        size = struct.unpack_from(">I", stsd, 8)[0]
        if not timescale or size != len(stsd) - 8:
            raise ValueError("more than one sample entry")
    except (ValueError, struct.error, IndexError) as error:
        raise DamagedRecording(f"An init segment cannot be read: {error}.") from error
    return stsd[8:], timescale


def _child(data: bytes, kind: bytes) -> bytes:
    """The content of the first box of a kind."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            break
        if name == kind:
            return data[at + 8 : at + size]
        at += size
    raise ValueError(f"there is no {kind.decode()} box")


def _moov(tables: Sequence[_Table], begin_us: int, end_us: int) -> bytes:
    length = _movie(end_us - begin_us)
    header = full_box(
        b"mvhd",
        1,
        0,
        struct.pack(">QQIQ", 0, 0, MOVIE_TIMESCALE, length),
        struct.pack(">IH10x", 0x10000, 0x0100),
        _MATRIX,
        bytes(24),
        struct.pack(">I", len(tables) + 1),
    )
    return box(b"moov", header, *(_trak(number, table, begin_us, end_us) for number, table in enumerate(tables, 1)))


def _trak(number: int, table: _Table, begin_us: int, end_us: int) -> bytes:
    track = table.track
    video = track.video
    length = _movie(end_us - begin_us)
    return box(
        b"trak",
        full_box(
            b"tkhd",
            1,
            3,
            struct.pack(">QQIIQ", 0, 0, number, 0, length),
            struct.pack(">QHHHH", 0, 0, 0, 0 if video else 0x0100, 0),
            _MATRIX,
            struct.pack(">II", track.width << 16, track.height << 16),
        ),
        box(b"edts", _edits(table, begin_us, end_us)),
        box(
            b"mdia",
            full_box(b"mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, track.timescale, table.duration, _UNDETERMINED, 0)),
            full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"vide" if video else b"soun"), b"skyriver\0"),
            box(
                b"minf",
                full_box(b"vmhd", 0, 1, bytes(8)) if video else full_box(b"smhd", 0, 0, bytes(4)),
                box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))),
                table.boxes(),
            ),
        ),
    )


def _edits(table: _Table, begin_us: int, end_us: int) -> bytes:
    """An edit list (8.6.6): nothing until the track begins, then the track from the in-point to the out-point."""
    timescale = table.track.timescale
    late_us = max(0, table.begin_us - begin_us)
    media_time = max(0, round((begin_us + late_us) * timescale / 1_000_000) - table.first_dts)
    edits = []
    if late_us:
        edits.append(struct.pack(">QqHH", _movie(late_us), -1, 1, 0))
    edits.append(struct.pack(">QqHH", _movie(max(0, min(end_us, table.end_us) - begin_us - late_us)), media_time, 1, 0))
    return full_box(b"elst", 1, 0, struct.pack(">I", len(edits)), *edits)


def _movie(duration_us: int) -> int:
    return round(duration_us * MOVIE_TIMESCALE / 1_000_000)


def _runs(values: Sequence[int]) -> list[bytes]:
    """Run-length pairs (count, value), with their number before them."""
    runs: list[bytes] = []
    count, last = 0, -1
    for value in values:
        if value == last:
            count += 1
            continue
        if count:
            runs.append(struct.pack(">II", count, last))
        count, last = 1, value
    if count:
        runs.append(struct.pack(">II", count, last))
    return [struct.pack(">I", len(runs)), b"".join(runs)]


def _big_endian(values: array[int]) -> bytes:
    swapped = array("I", values)
    assert swapped.itemsize == 4
    swapped.byteswap()
    return swapped.tobytes()
