"""Finished objects on the node's disk, until the object store has them: bounded, and in order again after a crash.

A file's name says all there is to know of it, so that a recorder which was killed needs no list. Nothing is synced: a
crash of this process loses nothing, and a power failure costs what the disk had not written, some seconds.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from skyriver.services.live.recorder.layout import Segment, init_key, is_track_name, segment_key, thumb_key

Kind = Literal["init", "segment", "thumb"]

SPOOL_MAX_BYTES = 4 * 1024 * 1024 * 1024
"""Of one recording: an hour and a half of a 6 Mbit/s ladder while the object store is away."""
RESERVE_BYTES = 256 * 1024 * 1024
"""What the spool leaves free on the node's disk: other channels are recorded on it, too."""


class SpoolFull(Exception):
    """There is no room for this object: it is lost."""


@dataclass(frozen=True)
class Spooled:
    """One object that waits. `track` is empty for pictures, `segment` is None for all but segments."""

    kind: Kind
    path: Path
    track: str = ""
    name: str = ""
    segment: Segment | None = None
    number: int = 0

    def key(self, recording_id: str) -> str:
        """Where it belongs in the object store."""
        if self.segment is not None:
            return segment_key(recording_id, self.track, self.segment.number)
        return (
            init_key(recording_id, self.track, self.name)
            if self.kind == "init"
            else thumb_key(recording_id, self.number)
        )


class Spool:
    """The waiting objects of one recording in `folder`, which is made here.

    Raises:
        OSError: the folder cannot be made or read.
    """

    def __init__(self, folder: Path, *, max_bytes: int = SPOOL_MAX_BYTES, reserve_bytes: int = RESERVE_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for half in folder.glob("*.new"):
            half.unlink()
        self._waiting: dict[str, tuple[Spooled, int]] = {}
        for path in folder.iterdir():
            if (found := _read_name(path)) is not None:
                self._waiting[path.name] = (found, path.stat().st_size)
        self.size_bytes = sum(size for _, size in self._waiting.values())

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, kind: Kind, data: bytes, *, track: str = "", name: str = "", segment: Segment | None = None,
            number: int = 0) -> Spooled:  # fmt: skip
        """Keep one object until it is `done`.

        Raises:
            SpoolFull: there is no room within the bound, or on the disk.
        """
        path = self._folder / _name(kind, track, name, segment, number)
        free_bytes = shutil.disk_usage(self._folder).free
        if self.size_bytes + len(data) > self._max_bytes or free_bytes - len(data) < self._reserve_bytes:
            raise SpoolFull
        fresh = path.with_name(f"{path.name}.new")
        try:
            fresh.write_bytes(data)
            fresh.replace(path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS):
                raise SpoolFull from error
            raise
        self._forget(path.name)
        spooled = Spooled(kind, path, track, name, segment, number)
        self._waiting[path.name] = (spooled, len(data))
        self.size_bytes += len(data)
        return spooled

    def oldest(self, limit: int) -> list[Spooled]:
        """What to send next: init segments before everything, then by number."""
        order = sorted((found for found, _ in self._waiting.values()), key=_order)
        return order[:limit]

    def done(self, spooled: Spooled) -> None:
        """The object store has it, and so does the index."""
        spooled.path.unlink(missing_ok=True)
        self._forget(spooled.path.name)

    def segments(self) -> Iterator[tuple[str, Segment]]:
        """Track and segment of all that wait."""
        for found, _ in self._waiting.values():
            if found.segment is not None:
                yield found.track, found.segment

    def _forget(self, name: str) -> None:
        known = self._waiting.pop(name, None)
        if known is not None:
            self.size_bytes -= known[1]


def _order(found: Spooled) -> tuple[int, int]:
    return (0, 0) if found.kind == "init" else (1, found.segment.number if found.segment else found.number)


def _name(kind: Kind, track: str, name: str, segment: Segment | None, number: int) -> str:
    if segment is not None:
        s = segment
        return f"segment,{track},{s.number},{s.start_us},{s.duration_us},{s.size_bytes},{s.head_bytes},{s.init}"
    return f"init,{track},{name}" if kind == "init" else f"thumb,{number}"


def _read_name(path: Path) -> Spooled | None:
    match path.name.split(","):
        case ["segment", track, number, start_us, duration_us, size_bytes, head_bytes, init] if is_track_name(track):
            numbers = int(number), int(start_us), int(duration_us), int(size_bytes), int(head_bytes)
            segment = Segment(*numbers, init)
            return Spooled("segment", path, track, segment=segment)
        case ["init", track, name] if is_track_name(track):
            return Spooled("init", path, track, name)
        case ["thumb", number] if number.isdigit():
            return Spooled("thumb", path, number=int(number))
    return None
