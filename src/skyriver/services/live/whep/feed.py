"""One channel as its WHEP viewers share it: its catalog, and each track that somebody wants, read once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from skyriver.fabric import Catalog, Endpoint, MediaFrame, Subscriber, VideoTrack
from skyriver.services.live.model import BROADCAST

OPUS, SOURCE = "opus", "source"
Take = Callable[[MediaFrame], None]

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Reading:
    task: asyncio.Task[None]
    listeners: list[Take] = field(default_factory=list)


class ChannelFeed:
    """Reads `live` of one channel's space. `run` it in a task.

    Args:
        grant: the right to read the space, asked for at each dial.
    """

    def __init__(self, relays: tuple[Endpoint, ...], space: str, grant: Callable[[], str]) -> None:
        self.space = space
        self.catalog: Catalog | None = None
        self.listeners = 0
        self._described = asyncio.Event()
        self._subscriber = Subscriber(relays, space, grant, BROADCAST)
        self._readings: dict[str, _Reading] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Follow the channel until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._subscriber.run())
            async for catalog in self._subscriber.catalogs():
                self.catalog = catalog
                self._described.set()

    def move(self, relays: tuple[Endpoint, ...]) -> None:
        """The relays have changed; readers go on."""
        self._subscriber.follow(relays)

    async def described(self, timeout_s: float) -> Catalog | None:
        """The catalog, once the channel is on air; None when it is not within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._described.wait()
        except TimeoutError:
            return None
        return self.catalog

    def listen(self, track: str, take: Take) -> Callable[[], None]:
        """Every frame of `track` from now on; returns what ends it."""
        assert self._tasks is not None
        reading = self._readings.get(track)
        if reading is None or reading.task.done():
            reading = self._readings[track] = _Reading(self._tasks.create_task(self._read(track)))
        reading.listeners.append(take)
        self.listeners += 1

        def stop() -> None:
            if take in reading.listeners:
                reading.listeners.remove(take)
                self.listeners -= 1
            if not reading.listeners and self._readings.get(track) is reading:
                del self._readings[track]
                reading.task.cancel()

        return stop

    async def _read(self, track: str) -> None:
        async for frame in self._subscriber.frames(track):
            for take in tuple(self._readings[track].listeners):
                take(frame)


def choose_rendition(catalog: Catalog, wanted: str) -> tuple[str, VideoTrack] | None:
    """The rendition to send: by name, or the `lowest`, else the `highest` below the source.

    The source is sent only where there is nothing else, or by name: it may have B-frames, whose order WebRTC cannot
    tell.
    """
    h264 = {name: track for name, track in catalog.video.items() if track.codec.startswith(("avc1.", "avc3."))}
    if wanted in h264:
        return wanted, h264[wanted]
    ladder = {name: track for name, track in h264.items() if name != SOURCE} or h264
    if not ladder:
        return None
    pick = min if wanted == "lowest" else max
    return pick(ladder.items(), key=lambda item: item[1].height)
