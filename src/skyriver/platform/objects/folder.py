"""An object store in a folder: a file for each object, written beside its place and renamed into it.

A power cut leaves the old object or the new one: the file is synced before the rename, its folder after it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from urllib.parse import quote, urlencode

from skyriver.platform.objects.errors import ObjectNotFound, StoreAway, StoreFull, StoreRefused
from skyriver.platform.objects.store import ObjectInfo, check_key, check_size

RESERVE_BYTES = 512 * 1024 * 1024
"""What a put leaves free on the disk: the cloud's own database is often on the same one, and must go on."""
_TEMPORARY = ".new-"  # beside the object; no key of ours begins like this
_PAGE = 1000


class FolderStore:
    """Objects under `root`, which is made if it is not there.

    Args:
        reserve_bytes: a put that would leave less free space is refused with StoreFull.
    """

    def __init__(self, root: Path, *, reserve_bytes: int = RESERVE_BYTES) -> None:
        self.root = root
        self._reserve_bytes = reserve_bytes

    @property
    def url(self) -> str:
        kept = {} if self._reserve_bytes == RESERVE_BYTES else {"reserve_bytes": self._reserve_bytes}
        return f"file://{quote(str(self.root.absolute()))}" + (f"?{urlencode(kept)}" if kept else "")

    async def put(self, key: str, body: bytes) -> None:
        check_size(key, body)
        await asyncio.to_thread(self._put, self._path(key), key, body)

    async def get(self, key: str) -> bytes:
        return await asyncio.to_thread(self._read, self._path(key), key, 0, -1)

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        return await asyncio.to_thread(self._read, self._path(key), key, start, length)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        folder = self._path(prefix)
        pages = self._walk(folder, prefix)
        while page := await asyncio.to_thread(lambda: list(islice(pages, _PAGE))):
            for found in page:
                yield found

    async def copy(self, source: str, target: str) -> None:
        await asyncio.to_thread(self._copy, self._path(source), self._path(target), source)

    async def delete(self, keys: Iterable[str]) -> None:
        paths = [self._path(key) for key in keys]
        await asyncio.to_thread(self._delete, paths)

    # -- in a thread -----------------------------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _put(self, path: Path, key: str, body: bytes) -> None:
        with self._explained(f"write the object {key}"):
            self._require_room(len(body))
            with self._replacing(path) as fresh, open(fresh, "xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())

    def _copy(self, source: Path, target: Path, key: str) -> None:
        with self._explained(f"copy the object {key}"):
            try:
                self._require_room(source.stat().st_size)
                with self._replacing(target) as fresh:
                    try:
                        os.link(source, fresh)  # objects are never changed in place: two names may share the bytes
                    except OSError:
                        shutil.copyfile(source, fresh)
            except FileNotFoundError as error:
                raise ObjectNotFound(key) from error

    def _read(self, path: Path, key: str, start: int, length: int) -> bytes:
        with self._explained(f"read the object {key}"):
            try:
                with open(path, "rb") as file:
                    file.seek(start)
                    return file.read(length)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise ObjectNotFound(key) from error

    def _delete(self, paths: Iterable[Path]) -> None:
        with self._explained("delete objects"):
            for path in paths:
                with suppress(FileNotFoundError, NotADirectoryError):
                    path.unlink()
                self._prune(path.parent)

    def _prune(self, folder: Path) -> None:
        """Remove folders that a deletion has emptied: there are only prefixes, and walks stay short."""
        while folder != self.root and folder.is_relative_to(self.root):
            try:
                folder.rmdir()
            except OSError:
                return  # not empty, or gone already
            folder = folder.parent

    def _walk(self, folder: Path, key: str) -> Iterator[ObjectInfo]:
        with self._explained(f"list the objects under {key}"):
            try:
                # As S3 sorts: by the whole key, where `/` counts as a character.
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name + "/" * entry.is_dir())
            except (FileNotFoundError, NotADirectoryError):
                return
            for entry in entries:
                if entry.name.startswith(_TEMPORARY):
                    continue
                if entry.is_dir():
                    yield from self._walk(Path(entry.path), f"{key}/{entry.name}")
                else:
                    with suppress(FileNotFoundError):
                        yield ObjectInfo(f"{key}/{entry.name}", entry.stat().st_size)

    @contextmanager
    def _replacing(self, path: Path) -> Iterator[Path]:
        """A fresh name beside `path`; what the block writes there takes its place."""
        fresh = path.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}")
        try:
            for _ in range(3):  # a deletion may prune the folder between its making and its use
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                if path.parent.exists():
                    break
            yield fresh
            fresh.replace(path)
            _sync_folder(path.parent)
        finally:
            fresh.unlink(missing_ok=True)

    def _require_room(self, size_bytes: int) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(self.root).free
        if free_bytes - size_bytes < self._reserve_bytes:
            raise StoreFull(
                f"The object store in {self.root} has {free_bytes >> 20} MiB left on its disk, and keeps "
                f"{self._reserve_bytes >> 20} MiB of it free for the cloud itself.",
                hint="Delete recordings, shorten their retention, or move the store to a larger disk or to S3.",
            )

    @contextmanager
    def _explained(self, attempt: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            why = f"Could not {attempt} in {self.root}: {error.strerror}."
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFull(why, hint="Delete recordings, or move the store to a larger disk or to S3.") from error
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise StoreRefused(why, hint="Fix the folder's owner and permissions.") from error
            raise StoreAway(why, hint="Check that the disk is mounted; it is tried again.") from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
