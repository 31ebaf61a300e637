"""What an object store is: whole objects by key. A folder is one, S3 is one; callers cannot tell them apart.

An object appears whole or not at all, and a put replaces. Nothing is appended to. Keys are `/`-separated segments of
unreserved characters; there are no folders, only prefixes.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol

from skyriver.kernel.errors import InvalidInput

MAX_KEY_CHARS = 512  # S3 takes 1024 bytes; a folder's path needs room for the folder
MAX_OBJECT_BYTES = 256 * 1024 * 1024  # one put is one request and one buffer: larger things are several objects
_SEGMENT = re.compile(r"[A-Za-z0-9_.~=-]{1,200}")


@dataclass(frozen=True)
class ObjectInfo:
    """One object of a listing."""

    key: str
    size_bytes: int


class ObjectStore(Protocol):
    """Every method raises StoreAway when the store cannot be reached and StoreRefused when it does not let us."""

    @property
    def url(self) -> str:
        """Where it is, without secrets; `open_store` opens the same store from it."""
        ...

    async def put(self, key: str, body: bytes) -> None:
        """Write an object, or replace it. Durable when this returns.

        Raises:
            StoreFull: there is no room.
            InvalidInput: the key or the size is out of bounds.
        """
        ...

    async def get(self, key: str) -> bytes:
        """A whole object.

        Raises:
            ObjectNotFound: there is none.
        """
        ...

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from `start` on; fewer where the object ends.

        Raises:
            ObjectNotFound: there is none.
        """
        ...

    def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Every object whose key begins with `prefix` (whole segments: `a/b` does not list `a/bc`), sorted by key."""
        ...

    async def copy(self, source: str, target: str) -> None:
        """Make `target` the same as `source`, within the store.

        Raises:
            ObjectNotFound: there is no `source`.
            StoreFull: there is no room.
        """
        ...

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error."""
        ...


async def delete_prefix(store: ObjectStore, prefix: str, *, batch: int = 500) -> int:
    """Remove every object under `prefix`; how many those were. Interrupted, it is simply called again."""
    removed = 0
    keys: list[str] = []
    async for found in store.list(prefix):
        keys.append(found.key)
        if len(keys) == batch:
            await store.delete(keys)
            removed += len(keys)
            keys = []
    await store.delete(keys)
    return removed + len(keys)


def check_key(key: str) -> str:
    """The key itself.

    Raises:
        InvalidInput: it is empty, too long, or holds what could leave a folder.
    """
    segments = key.split("/")
    if len(key) > MAX_KEY_CHARS or any(not _SEGMENT.fullmatch(s) or set(s) == {"."} for s in segments):
        raise InvalidInput(f"{key[:80]!r} cannot name an object.", code="bad_object_key")
    return key


def check_size(key: str, body: bytes) -> None:
    """Raises InvalidInput for an object that is too large for one put."""
    if len(body) > MAX_OBJECT_BYTES:
        raise InvalidInput(f"The object {key} of {len(body)} bytes is over the limit of {MAX_OBJECT_BYTES}.")
