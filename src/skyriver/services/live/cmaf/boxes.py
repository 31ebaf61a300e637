"""ISO base media files, as far as live CMAF needs them: an init segment and fragments (ISO/IEC 14496-12, 23000-19).

A fragment holds one track and says everything about its samples itself, so that it can be appended to a file or sent
alone. Times are in the track's timescale.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

TRACK_ID = 1
_IDENTITY_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED = 0x55C4  # ISO 639-2 "und", five bits a letter

_SYNC = 0x02000000  # sample_depends_on = 2: on no other (8.8.3.1)
_NOT_SYNC = 0x01010000  # depends on others, and is no sync sample

_TFHD_DEFAULT_BASE_IS_MOOF = 0x020000
_TRUN_DATA_OFFSET, _TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS, _TRUN_COMPOSITION = 0x1, 0x100, 0x200, 0x400, 0x800


@dataclass(frozen=True, slots=True)
class Sample:
    """One coded picture or audio frame. `composition`: presentation minus decode time, which may be negative."""

    data: bytes
    decode_time: int
    duration: int
    composition: int
    sync: bool


def box(kind: bytes, *content: bytes) -> bytes:
    """A box (4.2): size, four letters, content."""
    return struct.pack(">I4s", 8 + sum(map(len, content)), kind) + b"".join(content)


def full_box(kind: bytes, version: int, flags: int, *content: bytes) -> bytes:
    """A box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def init_segment(sample_entry: bytes, *, timescale: int, width: int = 0, height: int = 0) -> bytes:
    """`ftyp` and `moov` of one track without samples. `width` x `height` in pixels; zeros mean audio."""
    video = bool(width)
    track = box(
        b"trak",
        full_box(
            b"tkhd",
            0,
            3,  # enabled, in the movie
            struct.pack(">IIIII", 0, 0, TRACK_ID, 0, 0),
            struct.pack(">QHHHH", 0, 0, 0, 0 if video else 0x0100, 0),
            _IDENTITY_MATRIX,
            struct.pack(">II", width << 16, height << 16),
        ),
        box(
            b"mdia",
            full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, timescale, 0, _UNDETERMINED, 0)),
            full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, b"vide" if video else b"soun"), b"skyriver\0"),
            box(
                b"minf",
                full_box(b"vmhd", 0, 1, bytes(8)) if video else full_box(b"smhd", 0, 0, bytes(4)),
                box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1))),
                box(
                    b"stbl",
                    full_box(b"stsd", 0, 0, struct.pack(">I", 1), sample_entry),
                    full_box(b"stts", 0, 0, bytes(4)),
                    full_box(b"stsc", 0, 0, bytes(4)),
                    full_box(b"stsz", 0, 0, bytes(8)),
                    full_box(b"stco", 0, 0, bytes(4)),
                ),
            ),
        ),
    )
    movie_header = full_box(
        b"mvhd",
        0,
        0,
        struct.pack(">IIII", 0, 0, 1000, 0),
        struct.pack(">IH10x", 0x10000, 0x0100),
        _IDENTITY_MATRIX,
        bytes(24),
        struct.pack(">I", TRACK_ID + 1),
    )
    extends = box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">IIIII", TRACK_ID, 1, 0, 0, 0)))
    brands = box(b"ftyp", b"iso6", struct.pack(">I", 0), b"iso6cmfcmp41dash")
    return brands + box(b"moov", movie_header, track, extends)


def fragment(sequence: int, decode_time: int, samples: Sequence[Sample]) -> bytes:
    """`moof` and `mdat` of samples that follow one another without a gap.

    Args:
        sequence: the fragment's number, modulo 2^32; grows with time.
        decode_time: the first sample's, as it is written; those of the samples are for whoever puts them together.
    """
    composed = any(sample.composition for sample in samples)
    flags = _TRUN_DATA_OFFSET | _TRUN_DURATION | _TRUN_SIZE | _TRUN_FLAGS | (_TRUN_COMPOSITION if composed else 0)
    if composed:
        table = b"".join(
            struct.pack(">IIIi", s.duration, len(s.data), _SYNC if s.sync else _NOT_SYNC, s.composition)
            for s in samples
        )
    else:
        table = b"".join(struct.pack(">III", s.duration, len(s.data), _SYNC if s.sync else _NOT_SYNC) for s in samples)
    # moof(8) mfhd(16) traf(8) tfhd(16) tfdt(20) trun(20 + table), then the mdat's own header
    moof_bytes = 88 + len(table)
    moof = box(
        b"moof",
        full_box(b"mfhd", 0, 0, struct.pack(">I", sequence & 0xFFFFFFFF)),
        box(
            b"traf",
            full_box(b"tfhd", 0, _TFHD_DEFAULT_BASE_IS_MOOF, struct.pack(">I", TRACK_ID)),
            full_box(b"tfdt", 1, 0, struct.pack(">Q", decode_time)),
            full_box(b"trun", 1, flags, struct.pack(">Ii", len(samples), moof_bytes + 8), table),
        ),
    )
    assert len(moof) == moof_bytes
    media_bytes = sum(len(sample.data) for sample in samples)
    return b"".join((moof, struct.pack(">I4s", 8 + media_bytes, b"mdat"), *(sample.data for sample in samples)))
