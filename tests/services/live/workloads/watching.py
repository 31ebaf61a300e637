"""Somebody who follows a broadcast, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from skyriver.fabric import Catalog, Endpoint, MediaFrame, Subscriber
from tests.fabric.rig import SPACE, viewer_grant


class Watcher:
    """Reads tracks on demand; each track keeps its one reader, so that `take` goes on where it stopped."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._readers: dict[str, AsyncIterator[MediaFrame]] = {}
        self._catalogs = subscriber.catalogs()
        self._catalog: Catalog | None = None

    async def take(self, track: str, count: int) -> list[MediaFrame]:
        """The next `count` frames."""
        reader = self._readers.setdefault(track, self._subscriber.frames(track))
        return [await anext(reader) for _ in range(count)]

    async def catalog(self) -> Catalog:
        """The first catalog that was seen."""
        if self._catalog is None:
            self._catalog = await anext(self._catalogs)
        return self._catalog

    async def close(self) -> None:
        for reader in (*self._readers.values(), self._catalogs):
            await reader.aclose()  # type: ignore[attr-defined]


@asynccontextmanager
async def watching(relay: Endpoint, path: str, space: str = SPACE) -> AsyncIterator[Watcher]:
    """A viewer of `path` for the length of a block."""
    subscriber = Subscriber([relay], space, lambda: viewer_grant(space), path)
    running = asyncio.ensure_future(subscriber.run())
    watcher = Watcher(subscriber)
    try:
        yield watcher
    finally:
        await watcher.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
