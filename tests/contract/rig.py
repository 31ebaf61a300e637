"""Bare servers and clients of the library on the loopback, without anything of ours around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import moq

CACHE_BYTES = 16 * 1024 * 1024
LONG_US = 30_000_000  # a track or subscription that keeps everything these tests write


async def until(predicate: Callable[[], bool]) -> None:
    """Wait for something that the library counts without telling: the tests' guard bounds it."""
    while not predicate():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.005)


def origin() -> moq.OriginProducer:
    """An empty origin."""
    return moq.OriginProducer(cache_capacity_bytes=CACHE_BYTES)


@dataclass
class Door:
    """A server that answers nothing by itself."""

    server: moq.Server
    pins: list[str]

    @property
    def url(self) -> str:
        return f"https://{self.server.local_addr}"


@dataclass
class Relay(Door):
    """A server that accepts everybody, and the sessions it holds."""

    origin: moq.OriginProducer
    sessions: list[moq.Session] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def accept_all(self) -> None:
        async for request in self.server:
            session = await request.accept()
            async with self._arrived:
                self.sessions.append(session)
                self._arrived.notify_all()

    async def session(self, number: int = 0) -> moq.Session:
        """Wait for the session that came as the `number`th."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.sessions) > number)
            return self.sessions[number]


@asynccontextmanager
async def door(shared: moq.OriginProducer | None = None) -> AsyncIterator[Door]:
    """A server on a free port; who wants requests iterates `server`. Both its sides are `shared`."""
    both = shared or origin()
    async with moq.Server("127.0.0.1:0", tls_generate=["127.0.0.1"], publish=both, subscribe=both) as server:
        yield Door(server, server.cert_fingerprints())


@asynccontextmanager
async def relay(shared: moq.OriginProducer | None = None) -> AsyncIterator[Relay]:
    """A server that accepts everybody into `shared`: publishers and subscribers meet in it."""
    both = shared or origin()
    async with door(both) as plain:
        running = Relay(plain.server, plain.pins, both)
        accepting = asyncio.ensure_future(running.accept_all())
        try:
            yield running
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)


def dial(
    to: Door,
    *,
    publish: moq.OriginProducer | None = None,
    subscribe: moq.OriginProducer | None = None,
    reconnect: bool = False,
    query: str = "",
) -> moq.Client:
    """A client of `to`, with private origins where none are given; use it as a context manager."""
    return moq.Client(
        f"{to.url}/space{query}",
        tls_fingerprints=to.pins,
        websocket_enabled=False,
        reconnect=reconnect,
        publish=publish or origin(),
        subscribe=subscribe or origin(),
    )


class Source:
    """An origin with one broadcast and one track, `video`, whose frames carry its name."""

    def __init__(self, name: str, *, cost: int = 0, track_max_age_us: int = LONG_US, path: str = "live") -> None:
        self.name = name
        self.origin = origin()
        self.broadcast = self.origin.create_broadcast(path)
        info = moq.TrackInfo(max_age_us=track_max_age_us, timescale=1_000_000)
        self.track = self.broadcast.publish_track("video", info)
        self.broadcast.announce(moq.Route(cost=cost))

    def write(self, group: int, *, finish: bool = True) -> moq.GroupProducer:
        """A group of one frame; its media time is its number in seconds."""
        written = self.track.create_group(group)
        written.write_frame(f"{self.name}{group}".encode(), group * 1_000_000)
        if finish:
            written.finish()
        return written


async def subscribe(
    consumer: moq.OriginConsumer | moq.Client, *, max_age_us: int = 2_000_000, path: str = "live", track: str = "video"
) -> moq.TrackConsumer:
    """Wait for the broadcast and subscribe its track."""
    broadcast = await consumer.announced_broadcast(path)
    subscription: moq.TrackConsumer = await broadcast.subscribe_track(track, moq.Subscription(max_age_us=max_age_us))
    return subscription


async def next_payload(subscription: moq.TrackConsumer) -> str:
    """The first frame of the next group."""
    group = await subscription.recv_group()
    assert group is not None, "the track has ended"
    frame = await group.read_frame()
    assert frame is not None, "the group is empty"
    return bytes(frame.payload).decode()


async def payloads_until(subscription: moq.TrackConsumer, last: str) -> list[str]:
    """The first frames of all groups up to the one with `last`."""
    found = [await next_payload(subscription)]
    while found[-1] != last:
        found.append(await next_payload(subscription))
    return found


class Announcements:
    """What an origin's consumers are told, in order: `(path, active, cost)`."""

    def __init__(self, consumer: moq.OriginConsumer) -> None:
        self._updates = consumer.announced()

    async def next(self) -> tuple[str, bool, int]:
        """The next announcement."""
        update = await anext(self._updates)
        return update.prefix, update.active, update.route.cost
