"""An edge without a fabric: real parts in real rings behind the real server, on a socket of the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from skyriver.fabric import SLOT_US, MediaFrame
from skyriver.fabric.grants import Verifier
from skyriver.fabric.relay_session import Usage
from skyriver.kernel.clock import monotonic_s
from skyriver.services.live.cmaf import segmenter_for
from skyriver.services.live.delivery.connection import Connection
from skyriver.services.live.delivery.feed import ChannelFeed, Track
from skyriver.services.live.delivery.ring import TrackRing
from skyriver.services.live.delivery.routes import Routes
from skyriver.services.live.delivery.sessions import Sessions
from skyriver.services.live.media.units import Unit
from tests.fabric.rig import JWKS, SPACE, viewer_grant
from tests.services.live.cmaf.tracks import VIDEO, aac, frames
from tests.services.live.delivery.show import sound_at, sound_loop, video_loop
from tests.services.live.media.samples import START_US

SLOT = START_US // SLOT_US


def video_units(slots: int, *, begin_us: int = START_US) -> list[Unit]:
    """A picture that opens each slot with a keyframe, 30 frames/s."""
    loop = video_loop(320, 180)
    return [
        Unit(unit.payload, begin_us + slot * SLOT_US + unit.pts_us, unit.keyframe)
        for slot in range(slots)
        for unit in loop
    ]


def sound_units(slots: int, *, begin_us: int = START_US) -> list[Unit]:
    count = slots * SLOT_US * 48 // 1024_000
    return [Unit(sound_at(n).payload, begin_us + n * 1024_000 // 48, True) for n in range(count)]


def feed_of(slots: float = 8.3) -> ChannelFeed:
    """A channel that has been delivered for so many slots."""
    feed = ChannelFeed("ch_1", SPACE, (), lambda: "")
    whole = int(slots) + 1
    add(feed, "180p", video_units(whole)[: round(slots * 60)])
    add(feed, "aac", sound_units(whole)[: round(slots * 93.75)])
    return feed


def add(feed: ChannelFeed, name: str, units: list[Unit]) -> None:
    """Play units into a track, as its reader would."""
    if name not in feed.tracks:
        description = aac(sound_loop()[0]) if name == "aac" else VIDEO
        feed.tracks[name] = Track(description, TrackRing(name), segmenter_for(description))
    for frame in frames(units):
        push(feed, name, frame)


def push(feed: ChannelFeed, name: str, frame: MediaFrame) -> None:
    track = feed.tracks[name]
    for part in track.segmenter.push(frame):
        track.ring.append(part, track.segmenter.pending)


@dataclass
class Edge:
    """The server and what tests look at. `now_s` is its clock, for time-outs."""

    feed: ChannelFeed
    port: int
    grant: str
    sessions: Sessions
    usage: list[Usage]
    connections: set[Connection] = field(default_factory=set)
    now_s: float = field(default_factory=monotonic_s)

    @property
    def base(self) -> str:
        return f"/hls/{self.grant}/ch_1"

    @property
    def waiting(self) -> int:
        """Requests that wait for something to come."""
        return sum(session.waiting for session in self.sessions)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)

    async def get(self, path: str, *fields: str, method: str = "GET") -> Answer:
        """One request on a connection of its own."""
        reader, writer = await self.connect()
        try:
            writer.write(request(path, *fields, method=method))
            return await answer(reader, has_body=method != "HEAD")
        finally:
            writer.close()


@dataclass
class Answer:
    status: int
    fields: dict[str, str]
    body: bytes


def request(path: str, *fields: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: edge", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> Answer:
    """The next response of a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ")[1])
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    size = int(fields.get("content-length", "0")) if has_body and status != 304 else 0
    return Answer(status, fields, await reader.readexactly(size))


@asynccontextmanager
async def running_edge(feed: ChannelFeed | None = None) -> AsyncIterator[Edge]:
    """The server for the length of a block."""
    usage: list[Usage] = []
    sessions = Sessions(Verifier(JWKS), usage.append)
    edge = Edge(feed or feed_of(), 0, viewer_grant(), sessions, usage)
    routes = Routes(sessions, lambda channel_id: edge.feed if channel_id == "ch_1" else None)

    def connection() -> Connection:
        made = Connection(routes.handle, lambda: edge.now_s, edge.connections.discard)
        edge.connections.add(made)
        return made

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    edge.port = server.sockets[0].getsockname()[1]
    try:
        yield edge
    finally:
        server.close()
        for open_connection in list(edge.connections):
            open_connection.close()
