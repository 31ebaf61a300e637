"""Following one broadcast of a space from ranked relays, whatever happens to any of them.

Readers see each frame once, in decode order of its group: what the library delivers again after a relay died (it starts
at the beginning of the current group) is dropped here by group and position in time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from skyriver.fabric import hang, moq
from skyriver.fabric.uplink import Uplinks
from skyriver.kernel.errors import InvalidInput

log = logging.getLogger(__name__)

_RETRY_S = 0.1
_LAST_MOMENT_S = 0.2  # how long the rest of a group is waited for once a newer one has begun


@dataclass(frozen=True)
class MediaFrame:
    """One frame of a track. `pts_us` is media time; `keyframe` says that its group begins here."""

    payload: bytes
    pts_us: int
    keyframe: bool
    group: int


class Once:
    """Lets each frame of a track through once; the memory is that of the newest two groups."""

    def __init__(self) -> None:
        self._seen: dict[int, set[int]] = {}

    def first_time(self, group: int, pts_us: int) -> bool:
        """Whether this frame has not been seen; frames of groups older than the newest two count as seen."""
        if group not in self._seen:
            if len(self._seen) == 2:
                oldest = min(self._seen)
                if group < oldest:
                    return False
                del self._seen[oldest]
            self._seen[group] = set()
        seen = self._seen[group]
        if pts_us in seen:
            return False
        seen.add(pts_us)
        return True


class Subscriber:
    """Follows the broadcast at `path`; `run` it in a task group beside its readers."""

    def __init__(self, endpoints: Sequence[moq.Endpoint], space: str, grant: Callable[[], str], path: str) -> None:
        self.path = path
        self._endpoints = tuple(endpoints)
        self._uplinks = Uplinks(space, grant)
        self._tasks: asyncio.TaskGroup | None = None

    def beside(self, path: str) -> Subscriber:
        """The broadcast at another path of the same space, over the same sessions: only this one is run and follows."""
        other = Subscriber(self._endpoints, "", str, path)
        other._uplinks = self._uplinks
        return other

    async def run(self) -> None:
        """Keep the uplinks open until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._uplinks.follow(self._endpoints, tasks)
            await asyncio.get_running_loop().create_future()

    def follow(self, endpoints: Sequence[moq.Endpoint]) -> None:
        """The relays have changed; readers go on."""
        self._endpoints = tuple(endpoints)
        if self._tasks is not None:
            self._uplinks.follow(self._endpoints, self._tasks)

    @property
    def connections(self) -> int:
        """How many relays are connected now."""
        return len(self._uplinks.sessions)

    async def catalogs(self) -> AsyncIterator[hang.Catalog]:
        """Each catalog as it is published, for ever."""
        async for frame in self._raw_frames(hang.CATALOG_TRACK):
            try:
                yield hang.Catalog.from_json(frame[1].payload)
            except InvalidInput as error:
                log.warning("an unreadable catalog was skipped", extra={"reason": error.message})

    async def frames(self, track: str, *, back_us: int = 0) -> AsyncIterator[MediaFrame]:
        """Each frame of `track` once, for ever; waits through every interruption.

        With `back_us` it begins with what the relays still have of so long ago, and waits longer for the rest of a
        group (see `read_groups`): for whoever wants everything, and not the newest.
        """
        once = Once()
        open_group = -1
        async for group, frame in self._raw_frames(track, back_us):
            pts_us, payload = hang.decode_frame(frame.payload)
            if group < open_group or not payload or not once.first_time(group, pts_us):
                continue
            keyframe = group > open_group
            open_group = group
            yield MediaFrame(bytes(payload), pts_us, keyframe, group)

    async def _raw_frames(self, track: str, back_us: int = 0) -> AsyncIterator[tuple[int, moq.Frame]]:
        consumer = self._uplinks.origin.consume()
        while True:
            try:
                broadcast = await consumer.announced_broadcast(self.path)
                subscription = await moq.subscribe_live(broadcast, track, back_us=back_us)
                async for item in read_groups(subscription, back_us=back_us):
                    yield item
            except moq.Error as error:
                log.info("a track was interrupted; asking again", extra={"track": track, "reason": str(error)})
            await asyncio.sleep(_RETRY_S)


async def read_groups(subscription: moq.TrackConsumer, *, back_us: int = 0) -> AsyncIterator[tuple[int, moq.Frame]]:
    """`(group number, frame)` of a track as they arrive; a newer group ends the wait for an older one's rest.

    One group's failure (too old, its relay died) is not the track's. Ends when the track does. A reader
    who wants everything of the last `back_us` waits a tenth of that for a group's rest.
    """
    last_moment_s = max(_LAST_MOMENT_S, back_us / 1e6 / 10)
    group = await subscription.recv_group()
    patient = False
    following: asyncio.Future[moq.GroupConsumer | None] | None = None
    reading: asyncio.Future[moq.Frame | None] | None = None
    try:
        while group is not None:
            following = asyncio.ensure_future(subscription.recv_group())
            while True:
                reading = asyncio.ensure_future(group.read_frame())
                await asyncio.wait({reading, following}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():  # a newer group has begun: give the rest of this one a last moment
                    await asyncio.wait({reading}, timeout=last_moment_s)
                if not reading.done():
                    _abandon(reading)
                    break
                frame = None if reading.exception() is not None else reading.result()
                if frame is None:
                    break
                if not patient:
                    patient = True
                    moq.be_patient(subscription, back_us=back_us)
                yield group.sequence, frame
            group.cancel()
            group = await following
    finally:
        for unread in (reading, following):
            if unread is not None:
                _abandon(unread)
        subscription.cancel()


def _abandon(future: asyncio.Future[Any]) -> None:
    """Cancel, and take the exception that the library may still put into it, which nobody will ask for."""
    future.cancel()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
