"""The frames of an open segment on the node's disk, as they came: what a recorder that was killed goes on from.

One file for each open segment: a header, then a record for every frame, written whole by one `write` the moment the
frame comes. A process that is killed loses nothing that was written (the pages are the kernel's); a record that was
cut short, by a power failure or a full disk, is recognised by its checksum and ends the file.

    file    magic | length(4) header(JSON) crc32(4) | record...
    record  length(4) pts_us(8) group(8) flags(1) payload crc32(4)
"""

from __future__ import annotations

import errno
import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from skyriver.fabric import AudioTrack, MediaFrame, VideoTrack

_MAGIC = b"SKYJ1\n"
_HEAD = struct.Struct(">IqqB")
_CRC = struct.Struct(">I")
_MAX_RECORD_BYTES = 32 * 1024 * 1024


class Journal:
    """The open journal of one segment. Errors of the disk are the caller's to judge: OSError."""

    def __init__(self, path: Path, *, at: int | None = None) -> None:
        self.path = path
        self._file = open(path, "xb" if at is None else "r+b", buffering=0)  # noqa: SIM115 (as long as its segment)
        if at is not None:
            self._file.truncate(at)
            self._file.seek(at)

    @classmethod
    def begin(cls, path: Path, track: VideoTrack | AudioTrack) -> Journal:
        """A new journal in the place of any that was there."""
        path.unlink(missing_ok=True)
        journal = cls(path)
        header = json.dumps(_describe(track)).encode()
        journal._write(_MAGIC + _CRC.pack(len(header)) + header + _CRC.pack(zlib.crc32(header)))
        return journal

    @classmethod
    def resume(cls, path: Path, found: Journalled) -> Journal:
        """Go on behind the last whole record of what was read."""
        return cls(path, at=found.size_bytes)

    def append(self, frame: MediaFrame) -> None:
        """One frame, on disk as far as a crash of this process is concerned when this returns."""
        head = _HEAD.pack(len(frame.payload), frame.pts_us, frame.group, frame.keyframe)
        body = head + frame.payload
        self._write(body + _CRC.pack(zlib.crc32(body)))

    def discard(self) -> None:
        """The segment is safe elsewhere."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        if self._file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@dataclass(frozen=True)
class Journalled:
    """What a journal holds: its track, and every frame that was written whole."""

    track: VideoTrack | AudioTrack
    frames: tuple[MediaFrame, ...]
    size_bytes: int
    """Where its last whole record ends."""


def read_journal(path: Path) -> Journalled | None:
    """What is in a journal; None where not even its header is whole, or describes a track as this version does not.

    Raises:
        OSError: the disk.
    """
    data = path.read_bytes()
    start = len(_MAGIC) + _CRC.size
    if not data.startswith(_MAGIC) or len(data) < start:
        return None
    size = _CRC.unpack_from(data, len(_MAGIC))[0]
    header = data[start : start + size]
    end = start + size + _CRC.size
    if len(data) < end or zlib.crc32(header) != _CRC.unpack_from(data, start + size)[0]:
        return None
    try:
        track = _described(json.loads(header))
    except (KeyError, TypeError, ValueError):
        return None
    frames = []
    while (record := _record(data, end)) is not None:
        frame, end = record
        frames.append(frame)
    return Journalled(track, tuple(frames), end)


def _record(data: bytes, at: int) -> tuple[MediaFrame, int] | None:
    """The frame at `at` and where it ends; None where none was written whole."""
    if at + _HEAD.size + _CRC.size > len(data):
        return None
    size, pts_us, group, flags = _HEAD.unpack_from(data, at)
    end = at + _HEAD.size + size
    if size > _MAX_RECORD_BYTES or end + _CRC.size > len(data):
        return None
    if zlib.crc32(data[at:end]) != _CRC.unpack_from(data, end)[0]:
        return None
    return MediaFrame(data[at + _HEAD.size : end], pts_us, bool(flags), group), end + _CRC.size


def _describe(track: VideoTrack | AudioTrack) -> dict[str, object]:
    if isinstance(track, VideoTrack):
        return {"kind": "video", **vars(track)}
    return {"kind": "audio", **vars(track), "description": track.description.hex()}


def _described(header: dict[str, object]) -> VideoTrack | AudioTrack:
    fields = dict(header)
    if fields.pop("kind") == "video":
        return VideoTrack(**fields)  # type: ignore[arg-type]
    fields["description"] = bytes.fromhex(str(fields["description"]))
    return AudioTrack(**fields)  # type: ignore[arg-type]
