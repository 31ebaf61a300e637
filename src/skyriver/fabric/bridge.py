"""Gates and durable broadcasts: how what a publisher sends becomes part of a space.

A publisher's session never touches the space's origin. Its announcements arrive in a private inbox; the gate checks
each path against the grant; allowed paths FEED a durable broadcast that the relay itself owns. This costs one copy of
each frame in Python (80 µs; it grows with frames in, not with viewers) and buys three things that the library has not:

1. no publisher can hijack another's path by announcing it cheaper;
2. a publisher that dies, re-connects or is replaced never ends its viewers' subscriptions: the broadcast outlives it by
   `LINGER_S`, and the next feeder goes on in the same tracks;
3. duplicate and stale group numbers are dropped here instead of killing somebody downstream.

Which feeder is heard: the one with the lowest announced cost; among equals the newest, because the older one is then
most often a dead session that QUIC has not yet given up. One that falls silent on every track that has a beat (its
process was killed: QUIC needs seconds to say so) is set aside for `SET_ASIDE_S` as soon as there is another: this is
how a hot standby, which publishes the same groups at a higher cost, takes over. How its groups are joined to those of
the one before: see `group_merge`. While this process itself was stopped, nobody was silent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from skyriver.fabric import hang, moq
from skyriver.fabric.group_merge import GroupMerge
from skyriver.fabric.pulse import LOOK_S, Pulse, Pulses
from skyriver.kernel.clock import monotonic_s

log = logging.getLogger(__name__)

LINGER_S = 30.0  # how long a broadcast waits for its publisher to return
SET_ASIDE_S = 10.0  # longer than a dead session lives; a feeder that was only stalled gets its place back
_IDLE_TRACK_S = 20.0  # a track nobody wants is fed this much longer: a recorder that died asks for what it missed
_RETRY_S = 0.2
_SUBSCRIBE_TIMEOUT_S = 2.0
_NO_SUCH_TRACK, _NOBODY_WATCHES, _TOO_MANY_TRACKS = 404, 410, 429
MAX_TRACKS = 64  # served at once; a space's public may ask for names that nobody has
NATIVE_CATALOG = "catalog.json"  # where the library's own publishers (browsers) put their catalog


@dataclass(eq=False)
class Feeder:
    """One session's offer of one path.

    `resolve` gives the broadcast as it is offered now. It is asked for each subscription: a publisher that went and
    came back shows as one announcement, and what was resolved before is dead for ever.
    """

    resolve: Callable[[], Awaitable[moq.BroadcastConsumer]]
    cost: int
    order: int
    native_catalog: bool = False  # an untrusted publisher that speaks the stock library
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def track_name(self, name: str) -> str:
        """The feeder's own name of a track."""
        return NATIVE_CATALOG if self.native_catalog and name == hang.CATALOG_TRACK else name


class DurableBroadcast:
    """A path of a space as the relay owns it: fed by sessions, outliving each of them.

    `run` it in a task; it returns when no feeder has come for `LINGER_S`.
    """

    def __init__(self, origin: moq.OriginProducer, path: str, *, linger_s: float = LINGER_S) -> None:
        self.path = path
        self._linger_s = linger_s
        self._producer = origin.create_broadcast(path)
        self._dynamic = self._producer.dynamic()
        self._feeders: list[Feeder] = []
        self._aside_until_s: dict[Feeder, float] = {}
        self._pulses = Pulses()
        self._tracks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self.frames = 0
        self.last_frame_at_s = monotonic_s()
        self.closed = False

    @property
    def feeder(self) -> Feeder | None:
        """The feeder that is heard now."""
        return min(self._feeders, key=lambda f: (f in self._aside_until_s, f.cost, -f.order), default=None)

    async def attach(self, feeder: Feeder) -> None:
        """A session offers this path."""
        async with self._changed:
            if not self._feeders:
                self._producer.announce()
            self._feeders.append(feeder)
            self._changed.notify_all()

    async def detach(self, feeder: Feeder) -> None:
        """A session no longer offers it."""
        feeder.gone.set()
        async with self._changed:
            if feeder in self._feeders:
                self._feeders.remove(feeder)
                self._aside_until_s.pop(feeder, None)
            self._changed.notify_all()

    async def run(self) -> None:
        """Serve tracks as they are asked for; ends after `LINGER_S` without a feeder."""
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = [tasks.create_task(work) for work in (self._serve_tracks(), self._watch_feeders())]
                await self._abandoned()
                self.closed = True
                for task in serving:
                    task.cancel()
        finally:
            self.closed = True
            self._producer.close()

    async def _abandoned(self) -> None:
        """Until no feeder has come for so long."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._feeders)
                try:
                    async with asyncio.timeout(self._linger_s):
                        await self._changed.wait_for(lambda: bool(self._feeders))
                except TimeoutError:
                    if not self._feeders:  # else it came in the very turn in which the time was over
                        return

    async def _watch_feeders(self) -> None:
        """Set the heard feeder aside when it falls silent and another one is there."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: len(self._feeders) > 1)
            asleep_s = monotonic_s()
            await asyncio.sleep(LOOK_S)
            now_s = monotonic_s()
            heard = self.feeder
            self._aside_until_s = {f: until_s for f, until_s in self._aside_until_s.items() if until_s > now_s}
            silent = self._pulses.all_silent(asleep_s, now_s)
            others = [f for f in self._feeders if f is not heard and f not in self._aside_until_s]
            if heard is not None and others and silent:
                self._aside_until_s[heard] = now_s + SET_ASIDE_S
                self._pulses.wait_from(now_s)
                log.info("a feeder fell silent; the next one is heard", extra={"path": self.path})
            if self.feeder is not heard:
                async with self._changed:
                    self._changed.notify_all()

    async def _serve_tracks(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    request = await self._dynamic.requested_track()
                except moq.Error:
                    return
                if len(self._tracks) >= MAX_TRACKS:
                    request.abort(_TOO_MANY_TRACKS)
                    continue
                serving = tasks.create_task(self._contained(request))
                self._tracks.add(serving)
                serving.add_done_callback(self._tracks.discard)

    async def _contained(self, request: moq.TrackRequest) -> None:
        """One track's trouble is not the broadcast's."""
        try:
            await self._serve_track(request)
        except Exception:
            log.exception("serving a track failed", extra={"path": self.path})

    async def _serve_track(self, request: moq.TrackRequest) -> None:
        name = request.name
        feeder = await self._any_feeder()
        try:
            try:
                upstream = await self._subscribe(feeder, name)
            except (moq.Error, TimeoutError):  # its publisher may be dying: once more, with whoever is there then
                await self._feeder_change(feeder)
                feeder = await self._any_feeder()
                upstream = await self._subscribe(feeder, name)
            track = request.accept(upstream.info())
        except (moq.Error, TimeoutError) as error:
            log.info("a track was asked for that its publisher has not", extra={"track": name, "reason": str(error)})
            with suppress(moq.Error):
                request.abort(_NO_SUCH_TRACK)  # unless told, the subscriber would wait for ever
            return
        merge, pulse = GroupMerge(track.create_group), Pulse()
        while True:
            pulse.wait_from(monotonic_s())
            self._pulses.add(pulse)
            try:
                idle = await self._copy(feeder, upstream, track, merge, pulse)
            finally:
                self._pulses.discard(pulse)
                upstream.cancel()
            if idle:
                # Whoever asks next gets a new track: this one would hand out its last group first, however old that is.
                with suppress(moq.Error):
                    track.abort(_NOBODY_WATCHES)
                return
            if not track.demand().is_used():
                await track.used()
            else:
                await self._feeder_change(feeder)
            feeder, upstream = await self._next_upstream(name)

    async def _feeder_change(self, feeder: Feeder) -> None:
        """Wait until another feeder is heard, or for long enough to ask the same one again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_RETRY_S), self._changed:
                await self._changed.wait_for(lambda: self.feeder is not None and self.feeder is not feeder)

    async def _next_upstream(self, name: str) -> tuple[Feeder, moq.TrackConsumer]:
        while True:
            feeder = await self._any_feeder()
            try:
                return feeder, await self._subscribe(feeder, name)
            except (moq.Error, TimeoutError):
                await self._feeder_change(feeder)

    async def _any_feeder(self) -> Feeder:
        async with self._changed:
            await self._changed.wait_for(lambda: self.feeder is not None)
            feeder = self.feeder
            assert feeder is not None
            return feeder

    async def _subscribe(self, feeder: Feeder, name: str) -> moq.TrackConsumer:
        async with asyncio.timeout(_SUBSCRIBE_TIMEOUT_S):
            broadcast = await feeder.resolve()
            return await moq.subscribe_live(broadcast, feeder.track_name(name))

    async def _copy(
        self,
        feeder: Feeder,
        upstream: moq.TrackConsumer,
        track: moq.TrackProducer,
        merge: GroupMerge,
        pulse: Pulse,
    ) -> bool:
        """Copy until the feeder is gone, another is better, the track ends, or nobody has wanted it for a while.

        Returns whether it was the last of these.
        """
        stop = asyncio.ensure_future(self._until_stop(feeder, track))
        copy = asyncio.ensure_future(self._copy_groups(upstream, merge, pulse))
        try:
            await asyncio.wait({stop, copy}, return_when=asyncio.FIRST_COMPLETED)
            return stop.done() and stop.result()
        finally:
            await _end(stop, copy, doing="copying a track", path=self.path)
            merge.interrupted()

    async def _until_stop(self, feeder: Feeder, track: moq.TrackProducer) -> bool:
        """Returns whether nobody has wanted the track for a while."""

        async def superseded() -> None:
            async with self._changed:
                await self._changed.wait_for(lambda: self.feeder is not None and self.feeder is not feeder)

        async def idle() -> None:
            while True:
                await track.unused()
                try:
                    await asyncio.wait_for(track.used(), _IDLE_TRACK_S)
                except TimeoutError:
                    return

        waits = [asyncio.ensure_future(w) for w in (superseded(), idle())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return waits[1].done()
        finally:
            await _end(*waits, doing="waiting for a track's feeder to change", path=self.path)

    async def _copy_groups(self, upstream: moq.TrackConsumer, merge: GroupMerge, pulse: Pulse) -> None:
        first = True
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    group = await upstream.recv_group()
                except moq.Error:
                    return
                if group is None:
                    return
                if first:
                    merge.feeder_changed(group.sequence)
                    first = False
                    moq.be_patient(upstream)
                tasks.create_task(self._copy_group(group, merge, pulse))

    async def _copy_group(self, group: moq.GroupConsumer, merge: GroupMerge, pulse: Pulse) -> None:
        number = group.sequence
        try:
            async for frame in group:
                merge.write(number, frame)
                self.frames += 1
                self.last_frame_at_s = monotonic_s()
                pulse.beat(self.last_frame_at_s)
            merge.finish(number)
        except moq.Error:
            pass  # the rest of the group is lost; it stays open for whoever continues it, or until the next begins


async def _end(*tasks: asyncio.Future[Any], doing: str, path: str) -> None:
    """Cancel what still runs. That a session or a track has ended is no news; any other fault is, and is logged: its
    track goes on with whoever feeds it next."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        unexpected = result
        if isinstance(result, BaseExceptionGroup):
            _, unexpected = result.split((moq.Error, asyncio.CancelledError))
        if isinstance(unexpected, Exception) and not isinstance(unexpected, moq.Error):
            log.error("%s failed", doing, extra={"path": path}, exc_info=unexpected)
