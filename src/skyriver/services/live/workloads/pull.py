"""`live.pull`: reads a URL or an uploaded file, and publishes it through the real RTMP door, like any encoder.

Spec: {channel_id, url, file: {store, prefix, size_bytes} | null, loop, rtmp_url, key, allow_private}. Metrics, 1 Hz:
{state: connecting | running | retrying | ended,
since_us, error, attempts, fps, bitrate_bps, video, audio, width, height, encodes_audio, dropped}.

A thread reads the source; while it has one open, a push carries it to the station. If the push breaks, it alone is
made anew; if the source ends, the push ends with it, so that the station knows at once that there is no input.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from skyriver.kernel.child import ChildChannel
from skyriver.kernel.errors import SkyriverError
from skyriver.services.live.media_files.storage import BlockFile, StoredFile
from skyriver.services.live.relaying.addresses import (
    RTMP_PORTS,
    Destination,
    SourceUrl,
    read_rtmp,
    read_source,
    secrets_of,
)
from skyriver.services.live.relaying.errors import SourceEnded
from skyriver.services.live.relaying.flv import Tag
from skyriver.services.live.relaying.outbox import Outbox
from skyriver.services.live.relaying.rtmp_push import PushCounters, RtmpPush
from skyriver.services.live.relaying.rtmp_source import RtmpSource
from skyriver.services.live.relaying.source import Source, SourceFacts
from skyriver.services.live.relaying.source_clock import SourceClock
from skyriver.services.live.relaying.status import RelayState, RelayStatus, Retry

SOURCE_RETRY_MAX_S = 15.0
DOOR_RETRY_MAX_S = 3.0
LAST_WORDS_S = 1.0
FETCH_WITHIN_S = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PullSpec:
    """What to pull, and where to publish it."""

    source: SourceUrl
    loop: bool
    door: Destination
    allow_private: bool
    file: StoredFile | None
    """Read instead of a URL."""
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def parse(cls, spec: dict[str, Any]) -> PullSpec:
        """Raises BadRelayUrl for a URL that cannot be pulled."""
        secrets = (*secrets_of(spec["url"]), spec["key"])
        door = read_rtmp(spec["rtmp_url"], spec["key"])
        file = StoredFile.parse(spec.get("file"))
        source = read_source(spec["url"]) if file is None else SourceUrl("file", "the file", 0, "")
        return cls(source, spec["loop"], door, spec["allow_private"], file, secrets)

    def scrub(self, text: str) -> str:
        """A text without what must not be seen."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


class Pull:
    """Keeps one source coming; a new spec starts it anew."""

    def __init__(self, spec: PullSpec) -> None:
        self._spec = spec
        self._changed = asyncio.Event()
        self._status = RelayStatus()
        self._facts: SourceFacts | None = None
        self._sent = PushCounters()
        self._outbox = Outbox()

    def follow(self, spec: PullSpec) -> None:
        """Pull as `spec` says from now on."""
        if spec != self._spec:
            self._spec = spec
            self._status.error = ""
            self._changed.set()

    async def run(self) -> None:
        """Pull until cancelled."""
        retry = Retry(SOURCE_RETRY_MAX_S)
        while True:
            self._changed.clear()
            self._status.attempts += 1
            retry.begin()
            try:
                await self._until_changed(self._pull(self._spec))
            except SourceEnded as error:
                if self._spec.file is None:
                    self._fail(error)
                    await self._until_changed(retry.wait())
                else:
                    self._status.enter(RelayState.ENDED, "")
                    await self._changed.wait()
            except SkyriverError as error:
                self._fail(error)
                await self._until_changed(retry.wait())

    async def report(self, channel: ChildChannel) -> None:
        """Emit metrics once a second until cancelled."""
        before, pictures, sent = self._sent, 0, 0
        while True:
            await asyncio.sleep(1.0)
            if self._sent is not before:
                before, pictures, sent = self._sent, 0, 0
            channel.emit(
                "metrics",
                **self._status.fields(),
                **(asdict(self._facts) if self._facts is not None else {}),
                fps=self._sent.pictures - pictures,
                bitrate_bps=(self._sent.bytes_sent - sent) * 8,
                dropped=self._outbox.counters.tags_dropped,
            )
            pictures, sent = self._sent.pictures, self._sent.bytes_sent

    def _fail(self, error: SkyriverError) -> None:
        self._status.enter(RelayState.RETRYING, self._spec.scrub(str(error)))
        log.warning("The pull is tried again: %s", self._status.error)

    async def _until_changed(self, work: Any) -> None:
        """Do `work`, and stop it when the spec changes."""
        working = asyncio.ensure_future(work)
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({working, changed}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
        finally:
            for task in (working, changed):
                task.cancel()
            await asyncio.gather(working, changed, return_exceptions=True)

    async def _pull(self, spec: PullSpec) -> None:
        """One opening of the source.

        Raises:
            SkyriverError: it is over.
        """
        if not self._status.error:  # else what went wrong stays in sight until it is over
            self._status.enter(RelayState.CONNECTING)
        outbox = self._outbox = Outbox()
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[SourceFacts] = loop.create_future()
        ended: asyncio.Future[None] = loop.create_future()
        stop = threading.Event()
        source: Source | RtmpSource
        if spec.source.scheme in RTMP_PORTS:
            source = RtmpSource(spec.source, allow_private=spec.allow_private, clock=SourceClock())
        else:
            file = _opener(spec.file, loop) if spec.file is not None else None
            clock = SourceClock()
            source = Source(spec.source, loop=spec.loop, allow_private=spec.allow_private, clock=clock, file=file)

        def put(tag: Tag) -> None:
            _tell(loop, outbox.put, tag)

        def read() -> None:
            try:
                source.run(stop, lambda facts: _tell(loop, _resolve, opened, facts), put)
                _tell(loop, _resolve, ended, None)
            except Exception as error:  # the thread's boundary: whatever it was goes to the task that waits
                _tell(loop, _fail, ended, error)

        # A daemon: a read that hangs must not keep the process from leaving.
        threading.Thread(target=read, name="source", daemon=True).start()
        try:
            first: set[asyncio.Future[Any]] = {opened, ended}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                self._facts = opened.result()
                pushing = asyncio.create_task(self._push(spec, outbox))
                try:
                    either: set[asyncio.Future[Any]] = {ended, pushing}
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                    if pushing.done():
                        await pushing
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LAST_WORDS_S):
                            await outbox.drained()  # the end of a film belongs to it
                finally:
                    pushing.cancel()
                    await asyncio.gather(pushing, return_exceptions=True)
            await ended
        finally:
            stop.set()
            for future in (opened, ended):
                future.cancel()

    async def _push(self, spec: PullSpec, outbox: Outbox) -> None:
        retry = Retry(DOOR_RETRY_MAX_S)
        while True:
            # The door is our own station, in whatever network the operator has put it.
            push = RtmpPush(
                spec.door, outbox, allow_private=True, started=lambda: self._status.enter(RelayState.RUNNING)
            )
            self._sent = push.counters
            retry.begin()
            try:
                await push.run()
            except SkyriverError as error:
                self._fail(error)
            await retry.wait()


def _opener(file: StoredFile, loop: asyncio.AbstractEventLoop) -> Callable[[], BlockFile]:
    """Opens an uploaded file for the thread; the loop reads the store for it."""
    read = file.reader()

    async def fetch(offset: int, size: int) -> bytes:
        return await read(offset, size)

    def fetch_here(offset: int, size: int) -> bytes:
        return asyncio.run_coroutine_threadsafe(fetch(offset, size), loop).result(FETCH_WITHIN_S)

    return lambda: BlockFile(file.size_bytes, fetch_here)


def _tell(loop: asyncio.AbstractEventLoop, call: Any, *arguments: Any) -> None:
    """From the thread into the loop; nobody is there any more when the process is leaving."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, *arguments)


def _resolve(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


async def main(channel: ChildChannel, first: dict[str, Any]) -> None:
    """Pull until told to drain or until the supervisor is gone."""
    pull = Pull(PullSpec.parse(first["spec"]))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(pull.run()), tasks.create_task(pull.report(channel))]
        channel.emit("ready")
        async for command in channel.commands():
            if command["cmd"] == "spec":
                pull.follow(PullSpec.parse(command["spec"]))
            elif command["cmd"] == "drain":
                break
        for task in running:
            task.cancel()
