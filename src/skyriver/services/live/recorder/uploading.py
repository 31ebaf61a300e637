"""From the spool into the object store, and into the index: in order, for as long as it takes.

An object is in the store before the index names it, and in the index before the spool forgets it: whoever reads the
index finds what it names, and a crash at any point repeats work and loses none.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable

from skyriver.kernel.errors import InvalidInput, NotReady, SkyriverError
from skyriver.platform.objects import ObjectStore
from skyriver.services.live.recorder.ending import read_ending
from skyriver.services.live.recorder.layout import (
    GAP_MIN_US,
    Gap,
    Index,
    Segment,
    TrackInfo,
    chunk_of,
    index_key,
    index_prefix,
    is_late,
)
from skyriver.services.live.recorder.spool import Spool, Spooled

AT_ONCE = 4
BATCH = 32
RETRY_FIRST_S, RETRY_LAST_S = 0.5, 10.0
OVERWRITTEN_US = 60_000_000
"""How far back the index of one that leaves may be written over by its successor, who began from an older one."""

log = logging.getLogger(__name__)


class RecordingUnknown(NotReady):
    """The object store has nothing of it (yet)."""

    code = "recording_unknown"

    def __init__(self, recording_id: str) -> None:
        super().__init__(
            f"The object store knows no recording {recording_id}.",
            hint="Its next recorder has written nothing yet, or it was deleted.",
        )


async def load_index(store: ObjectStore, recording_id: str, known: Index | None = None) -> Index:
    """The whole index of a recording; empty when there is none. A chunk that cannot be read is left out, and logged.

    Args:
        known: what was read before. Chunks that it goes beyond are not read again.

    Raises:
        StoreAway, StoreRefused.
    """
    index = Index()
    settled = -1
    if known is not None and known.tracks:
        index.merge(known)
        settled = min(chunk_of(max(segments)) for segments in known.segments.values() if segments) - 1
    gate = asyncio.Semaphore(16)

    async def load(key: str) -> Index:
        async with gate:
            return Index.from_json(await store.get(key))

    listed = [found.key async for found in store.list(index_prefix(recording_id))]
    keys = [key for key in listed if is_late(key) or int(key.rpartition("/")[2].partition(".")[0]) >= settled]
    keys.sort(key=is_late)  # what comes late is weighed against all the rest
    for key, chunk in zip(keys, await asyncio.gather(*map(load, keys), return_exceptions=True), strict=True):
        if isinstance(chunk, InvalidInput):
            log.error("%s: %s", key, chunk)
        elif isinstance(chunk, BaseException):
            raise chunk
        elif is_late(key):
            for name, segments in chunk.segments.items():
                for segment in segments.values():
                    index.add(chunk.tracks[name], segment)
        else:
            index.merge(chunk)
    return index


class Totals:
    """What a recording holds, counted as it grows: a show of ten hours is not counted anew every second."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.media_us = 0
        self.start_us = 0
        self.end_us = 0
        self.gaps: list[Gap] = []
        self._tracks: set[str] = set()
        self._reference: str | None = None
        self._reference_end_us = 0

    def take(self, index: Index, track: TrackInfo, segment: Segment) -> None:
        """`segment` was added to `index`."""
        in_order = track.name != self._reference or segment.start_us >= self._reference_end_us - GAP_MIN_US
        if index.tracks.keys() != self._tracks or not in_order:
            self.count(index)
            return
        self.size_bytes += segment.size_bytes
        if track.name == self._reference:
            self.end_us = max(self.end_us, segment.end_us)
            if segment.start_us - self._reference_end_us >= GAP_MIN_US:
                self.gaps.append(Gap(self._reference_end_us, segment.start_us))
            self.media_us += segment.duration_us
            self._reference_end_us = max(self._reference_end_us, segment.end_us)

    def count(self, index: Index) -> None:
        """Count the whole index."""
        self.size_bytes, self.media_us = index.size_bytes, index.media_us
        self.start_us, self.end_us = index.start_us, index.end_us
        self.gaps = index.gaps()
        self._tracks = set(index.tracks)
        self._reference = index.reference
        segments = index.of(self._reference) if self._reference else []
        self._reference_end_us = segments[-1].end_us if segments else 0


class Uploader:
    """Empties one recording's spool; `run` it, and `nudge` it when there is something new.

    Args:
        tracks: what is known of each track, kept up to date by the caller.
        on_loaded: told once with what the store had when this process began.

    Attributes:
        trouble: why nothing moves just now; None while all is well.
    """

    def __init__(
        self,
        store: ObjectStore,
        recording_id: str,
        spool: Spool,
        tracks: dict[str, TrackInfo],
        on_loaded: Callable[[Index], None] = lambda index: None,
    ) -> None:
        self.trouble: SkyriverError | None = None
        self.totals = Totals()
        self.loaded = False
        self._store = store
        self._recording_id = recording_id
        self._spool = spool
        self._tracks = tracks
        self._on_loaded = on_loaded
        self._index = Index()
        self._moved = False
        self._late = ""
        self._mine = Index()
        self._owed: set[int] = set()
        self._news = asyncio.Event()
        self._empty = asyncio.Event()

    def nudge(self) -> None:
        """There is something in the spool."""
        self._empty.clear()
        self._news.set()

    async def drained(self) -> None:
        """Wait until the spool is empty and the index says so."""
        await self._empty.wait()

    def come_late(self) -> None:
        """Another recorder goes on with this recording: what is here is added beside what that one writes.

        Nothing is sent before the store knows of the recording: one that was deleted meanwhile must not come back.
        """
        self._late = secrets.token_hex(4)
        # The other one may have read the index before this one's last word in it, and write over that.
        recent = self._index.between(self._index.end_us - OVERWRITTEN_US, self._index.end_us)
        self._mine = recent
        self._owed = {chunk_of(number) for segments in recent.segments.values() for number in segments}
        self.nudge()

    async def recount(self) -> None:
        """Count what the store has: others may have added to it.

        Raises:
            StoreAway, StoreRefused.
        """
        self.totals.count(await load_index(self._store, self._recording_id))

    async def run(self) -> None:
        """Until cancelled; what fails is tried again with a capped back-off."""
        retry_s = RETRY_FIRST_S
        while True:
            try:
                await self.send_all()
                retry_s = RETRY_FIRST_S
                self._news.clear()
                self._empty.set()
                await self._news.wait()
            except SkyriverError as error:
                if self.trouble is None or self.trouble.code != error.code:
                    log.warning("Recording %s waits on this node's disk: %s", self._recording_id, error)
                self.trouble = error
                retry_s = RETRY_FIRST_S if self._moved else min(retry_s * 2, RETRY_LAST_S)
                self._moved = False
                await asyncio.sleep(retry_s)

    async def send_all(self) -> None:
        """Send what waits, once.

        Raises:
            StoreAway, StoreRefused: the rest waits on.
            RecordingUnknown: see `come_late`.
        """
        if not self.loaded:
            await self._load()
        while (batch := self._spool.oldest(BATCH)) or self._owed:
            if self._late and not await self._is_known():
                raise RecordingUnknown(self._recording_id)
            await self._send(batch)
            self._moved = True
            self.trouble = None
        self.trouble = None

    async def _load(self) -> None:
        self._index = await load_index(self._store, self._recording_id)
        self.totals.count(self._index)
        self.loaded = True
        self._on_loaded(self._index)

    async def _is_known(self) -> bool:
        async for _found in self._store.list(index_prefix(self._recording_id)):
            return True
        return await read_ending(self._store, self._recording_id) is not None

    async def _send(self, batch: list[Spooled]) -> None:
        late = self._late
        inits = [item for item in batch if item.kind == "init"]
        others = [item for item in batch if item.kind != "init" and not self._superfluous(item)]
        await self._put_all(inits)
        await self._put_all(others)
        dirty = set(self._owed)
        for item in others:
            track = self._tracks.get(item.track) or self._index.tracks.get(item.track)
            if item.segment is not None and track is not None and self._index.add(track, item.segment):
                self.totals.take(self._index, track, item.segment)
                if late:
                    self._mine.add(track, item.segment)
                dirty.add(chunk_of(item.segment.number))
        for chunk in sorted(dirty):
            body = (self._mine if late else self._index).chunk(chunk).to_json()
            await self._store.put(index_key(self._recording_id, chunk, late), body)
        if late != self._late:
            return  # said where the other recorder writes: it is said again in an object of our own
        self._owed.clear()
        for item in batch:
            self._spool.done(item)

    def _superfluous(self, item: Spooled) -> bool:
        return item.segment is not None and self._index.has_better(item.track, item.segment)

    async def _put_all(self, items: list[Spooled]) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def put(item: Spooled) -> None:
            async with gate:
                try:
                    body = await asyncio.to_thread(item.path.read_bytes)
                except FileNotFoundError:
                    return  # replaced meanwhile, under a better name
                await self._store.put(item.key(self._recording_id), body)

        results = await asyncio.gather(*map(put, items), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
