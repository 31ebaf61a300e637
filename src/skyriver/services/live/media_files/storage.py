"""A file in the object store: pieces of 8 MiB under one prefix, so that no upload is ever held whole in memory."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections import OrderedDict
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from skyriver.platform.objects import ObjectStore, open_store
from skyriver.services.live.media_files.errors import UnusableMedia, UploadBrokeOff, UploadTooLarge
from skyriver.services.live.media_files.model import SILENT_S, UPLOAD_WITHIN_S

PIECE_BYTES = 8 << 20
_BLOCK_BYTES = 1 << 20  # demuxers read 32 KiB at a time, and a bucket is asked once for so much
_BLOCKS_KEPT = 6  # an index at the end, sound and picture apart from each other


def prefix_of(tenant_id: str, file_id: str) -> str:
    """Where a file's pieces are."""
    return f"media-files/{tenant_id}/{file_id}"


@dataclass(frozen=True)
class StoredFile:
    """Where a file is, for a process that reads it."""

    store_url: str
    prefix: str
    size_bytes: int

    @classmethod
    def parse(cls, spec: Mapping[str, Any] | None) -> StoredFile | None:
        """As `spec` writes it; None of None."""
        return cls(str(spec["store"]), str(spec["prefix"]), int(spec["size_bytes"])) if spec else None

    def spec(self) -> dict[str, Any]:
        """As a workload is told it."""
        return {"store": self.store_url, "prefix": self.prefix, "size_bytes": self.size_bytes}

    def reader(self) -> Callable[[int, int], Awaitable[bytes]]:
        """(offset, size) -> bytes; see `read_file`."""
        store = open_store(self.store_url)
        return lambda offset, size: read_file(store, self.prefix, self.size_bytes, offset, size)


@dataclass(frozen=True)
class Stored:
    """What was written."""

    size_bytes: int
    sha256: str


async def write_file(store: ObjectStore, prefix: str, chunks: AsyncIterable[bytes], *, most_bytes: int) -> Stored:
    """Write a file as it comes; what was written of one that fails is the caller's to remove.

    Raises:
        UploadTooLarge, UploadBrokeOff, UnusableMedia: it is longer than it may be, too slow, or empty.
        StoreFull, StoreAway, StoreRefused.
    """
    digest, piece, size, count = hashlib.sha256(), bytearray(), 0, 0
    source = aiter(chunks)
    try:
        async with asyncio.timeout(UPLOAD_WITHIN_S):
            while True:
                async with asyncio.timeout(SILENT_S):
                    chunk = await anext(source, None)
                if chunk is None:
                    break
                size += len(chunk)
                if size > most_bytes:
                    raise UploadTooLarge(f"The file is larger than {most_bytes >> 20} MiB.", hint="Encode it smaller.")
                digest.update(chunk)
                piece += chunk
                while len(piece) >= PIECE_BYTES:
                    await store.put(_key(prefix, count), bytes(piece[:PIECE_BYTES]))
                    del piece[:PIECE_BYTES]
                    count += 1
    except TimeoutError as error:
        raise UploadBrokeOff("The upload stopped coming.", hint="Send it again.") from error
    if not size:
        raise UnusableMedia("The file is empty.", hint="Send its bytes as the request's body.")
    if piece:
        await store.put(_key(prefix, count), bytes(piece))
    return Stored(size, digest.hexdigest())


async def read_file(store: ObjectStore, prefix: str, size_bytes: int, start: int, length: int) -> bytes:
    """Bytes of a file, fewer at its end.

    Raises:
        ObjectNotFound, StoreAway, StoreRefused.
    """
    pieces, end = [], min(start + length, size_bytes)
    while start < end:
        number, offset = divmod(start, PIECE_BYTES)
        got = await store.get_range(_key(prefix, number), offset, min(end - start, PIECE_BYTES - offset))
        if not got:
            break
        pieces.append(got)
        start += len(got)
    return b"".join(pieces)


class BlockFile(io.RawIOBase):
    """A file whose bytes somebody fetches, in blocks of which the last few are kept. Blocking: for threads.

    Args:
        fetch: (offset, size) -> bytes.
    """

    def __init__(self, size_bytes: int, fetch: Callable[[int, int], bytes]) -> None:
        self._size = size_bytes
        self._fetch = fetch
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Bytes from here on, up to the block's end; empty at the file's."""
        number, offset = divmod(self._at, _BLOCK_BYTES)
        if self._at >= self._size:
            return b""
        if (block := self._blocks.get(number)) is None:
            block = self._blocks[number] = self._fetch(number * _BLOCK_BYTES, _BLOCK_BYTES)
            if len(self._blocks) > _BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        data = block[offset : offset + size if size >= 0 else None]
        self._at += len(data)
        return data


def _key(prefix: str, number: int) -> str:
    return f"{prefix}/{number:05}"
