"""The HTTP server of one edge: sockets, connections and their limits, channels that come and go with their viewers.

Browsers refuse a self-made certificate for `fetch`, and the pins that WebTransport takes are not for HTTP. So a node
with the operator's certificate serves HTTPS, and one without serves plain HTTP, which is all that a player can use, and
HTTPS beside it for whoever trusts the self-made one.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from skyriver.fabric import Endpoint
from skyriver.fabric.certificates import Certificate
from skyriver.fabric.grants import Verifier
from skyriver.fabric.relay_session import Usage
from skyriver.kernel.clock import monotonic_s
from skyriver.kernel.errors import WorldBroke
from skyriver.services.live.delivery.addresses import Addresses, AddressLimits, Caller
from skyriver.services.live.delivery.connection import Connection, Later
from skyriver.services.live.delivery.feed import ChannelFeed
from skyriver.services.live.delivery.http import Request, Response, refusal
from skyriver.services.live.delivery.recorded import RecordedRoutes
from skyriver.services.live.delivery.routes import Routes
from skyriver.services.live.delivery.sessions import Sessions
from skyriver.services.live.model import space_of
from skyriver.services.live.vod.source import VodSource

MAX_CONNECTIONS = 8192
TURNED_AWAY_MAX = 256
"""Connections that are open only to be told why they are refused. More are closed without a word: whoever is refused
must not fill the server by waiting."""
MAX_FEEDS = 256
UNWATCHED_S = 60.0
"""How long a channel is kept without anybody asking: for the viewer who reloads, or comes back from a break."""
MAX_CPU = 0.8
"""One process uses one core; above this share of it, parts begin to wait for each other."""
USAGE_EVERY_S = 5.0
BACKLOG = 1024
NO_MORE_THAN = AddressLimits()
TLS_HANDSHAKE_S = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metrics:
    """One second of delivery. Rates in bit/s, `cpu` as a fraction of one core."""

    sessions: int
    viewers: int
    connections: int
    egress_bps: int
    cpu: float
    channels: int
    parts: int
    late_parts: int
    refused: int
    dropped: int
    load: float
    viewers_by_space: dict[str, int] = field(default_factory=dict)
    viewers_by_rendition: dict[str, dict[str, int]] = field(default_factory=dict)
    egress_by_space: dict[str, int] = field(default_factory=dict)


@dataclass
class _Running:
    feed: ChannelFeed
    task: asyncio.Task[None]


class DeliveryServer:
    """`run` serves until cancelled. Readings leave through the callbacks, which must not block.

    Args:
        relays, fallback: see `ChannelFeed`.
        grant: a service grant for the spaces of all channels, asked for at each dial.
        recordings: where recordings are read from; None: this node cannot reach them.
        limits: what one network address may take.
    """

    def __init__(
        self,
        verifier: Verifier,
        relays: tuple[Endpoint, ...],
        grant: Callable[[], str],
        *,
        fallback: tuple[Endpoint, ...] = (),
        recordings: VodSource | None = None,
        limits: AddressLimits = NO_MORE_THAN,
        on_usage: Callable[[Usage], None] = lambda usage: None,
        on_metrics: Callable[[Metrics], None] = lambda metrics: None,
    ) -> None:
        self.sessions = Sessions(verifier, on_usage)
        self._relays, self._fallback = relays, fallback
        self._grant = grant
        self._on_metrics = on_metrics
        recorded = RecordedRoutes(recordings, self.sessions, self._spawn) if recordings is not None else None
        self._routes = Routes(self.sessions, self._feed, recorded)
        self._feeds: dict[str, _Running] = {}
        self._connections: dict[Connection, Caller | None] = {}
        self._turned_away = 0
        self._addresses = Addresses(limits)
        self._tasks: asyncio.TaskGroup | None = None
        self._servers: list[asyncio.Server] = []
        self._refused = self._dropped = 0
        self._parts_gone = self._late_gone = 0

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen on a port, 0 for any, and with TLS if told how; the port that it became.

        Raises:
            WorldBroke: the port cannot be had.
        """
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(
                self._connection,
                host,
                port,
                backlog=BACKLOG,
                ssl=tls,
                ssl_handshake_timeout=TLS_HANDSHAKE_S if tls else None,
                reuse_address=True,
            )
        except OSError as error:
            raise WorldBroke(
                f"Listening on TCP {host}:{port} for delivery over HTTP failed: {error.strerror or error}.",
                hint="Stop whatever listens there.",
            ) from error
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    async def run(self) -> None:
        """Serve until cancelled; every session's last usage is reported."""
        _raise_file_limit()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._tick()
        finally:
            for server in self._servers:
                server.close()
            for connection in list(self._connections):
                connection.close()
            self.sessions.close()

    def follow(self, relays: tuple[Endpoint, ...], fallback: tuple[Endpoint, ...] = ()) -> None:
        """The relays have moved; every channel follows."""
        self._relays, self._fallback = relays, fallback
        for running in self._feeds.values():
            running.feed.follow(relays, fallback)

    # -- connections -----------------------------------------------------------------------------------------------

    def _connection(self) -> Connection:
        return Connection(self._handle, monotonic_s, self._end, self._begin)

    def _begin(self, connection: Connection) -> None:
        full = len(self._connections) - self._turned_away >= MAX_CONNECTIONS
        caller = None if full else self._addresses.enter(connection.peer, monotonic_s())
        self._connections[connection] = caller
        if caller is None:
            self._refused += 1
            self._turned_away += 1
            connection.handler, connection.last = _refuse if full else _refuse_address, True
            if self._turned_away > TURNED_AWAY_MAX:
                connection.close()

    def _end(self, connection: Connection) -> None:
        caller = self._connections.pop(connection)
        if caller is None:
            self._turned_away -= 1
        else:
            caller.connections -= 1

    def _handle(self, request: Request, connection: Connection) -> Response | Later:
        caller = self._connections.get(connection)
        if caller is None or caller.take(monotonic_s()):
            return self._routes.handle(request, connection)
        connection.account = None
        self._refused += 1
        return _TOO_OFTEN

    # -- channels --------------------------------------------------------------------------------------------------

    def _feed(self, channel_id: str) -> ChannelFeed | None:
        running = self._feeds.get(channel_id)
        if running is None:
            if len(self._feeds) >= MAX_FEEDS or self._tasks is None:
                return None
            space = space_of(channel_id)
            feed = ChannelFeed(channel_id, space, self._relays, self._grant, fallback=self._fallback)
            running = self._feeds[channel_id] = _Running(feed, self._tasks.create_task(self._fill(feed)))
        return running.feed

    async def _fill(self, feed: ChannelFeed) -> None:
        """A channel's feed; whatever goes wrong in it ends there, and its next viewer starts it anew."""
        try:
            await feed.run()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("a channel's delivery failed", extra={"channel": feed.channel_id})
        finally:
            self._feeds.pop(feed.channel_id, None)
            self._parts_gone += sum(track.ring.part_count for track in feed.tracks.values())
            self._late_gone += sum(track.late_parts for track in feed.tracks.values())

    # -- time ------------------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._tasks is not None, "requests come while the server runs"
        return self._tasks.create_task(work)

    async def _tick(self) -> None:
        last_s, last_cpu_s, next_usage_s = monotonic_s(), time.process_time(), monotonic_s() + USAGE_EVERY_S
        while True:
            await asyncio.sleep(1.0)
            now_s, cpu_s = monotonic_s(), time.process_time()
            for connection in list(self._connections):
                self._dropped += connection.tick(now_s)
            for running in list(self._feeds.values()):
                running.feed.expire(now_s)
                if now_s - running.feed.asked_at_s > UNWATCHED_S:
                    running.task.cancel()
            self._on_metrics(self._read(now_s - last_s, (cpu_s - last_cpu_s) / (now_s - last_s)))
            self.sessions.expire(now_s)
            self._addresses.forget(now_s)
            if now_s >= next_usage_s:
                next_usage_s = now_s + USAGE_EVERY_S
                self.sessions.report()
            last_s, last_cpu_s = now_s, cpu_s

    def _read(self, passed_s: float, cpu: float) -> Metrics:
        viewers: dict[str, int] = {}
        renditions: dict[str, dict[str, int]] = {}
        egress: dict[str, int] = {}
        for session in self.sessions:
            space = session.space
            viewers[space] = viewers.get(space, 0) + 1
            by_name = renditions.setdefault(space, {})
            by_name[session.rendition] = by_name.get(session.rendition, 0) + 1
            egress[space] = egress.get(space, 0) + int(session.sample() * 8 / passed_s)
        tracks = [track for running in self._feeds.values() for track in running.feed.tracks.values()]
        return Metrics(
            sessions=len(self.sessions),
            viewers=sum(viewers.values()),
            connections=len(self._connections),
            egress_bps=sum(egress.values()),
            cpu=round(cpu, 4),
            channels=len(self._feeds),
            parts=self._parts_gone + sum(track.ring.part_count for track in tracks),
            late_parts=self._late_gone + sum(track.late_parts for track in tracks),
            refused=self._refused,
            dropped=self._dropped,
            load=round(max(cpu / MAX_CPU, len(self._connections) / MAX_CONNECTIONS), 3),
            viewers_by_space=viewers,
            viewers_by_rendition=renditions,
            egress_by_space=egress,
        )


def tls_context(certificate: Certificate) -> ssl.SSLContext:
    """TLS 1.2 and later with this certificate, HTTP/1.1 only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate.chain_path, certificate.key_path)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _refuse(request: Request, connection: Connection) -> Response:
    return refusal(503, "This edge has as many connections as it can carry. Try the next one.", retry_after_s=2)


def _refuse_address(request: Request, connection: Connection) -> Response:
    return refusal(429, "Your network has as many connections here as one may have. Try again soon.", retry_after_s=2)


_TOO_OFTEN = refusal(429, "Your network asks more often than one may. Try again in a second.", retry_after_s=1)


def _raise_file_limit() -> None:
    """As many open files as the system lets us have: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + 256 if hard == resource.RLIM_INFINITY else min(hard, MAX_CONNECTIONS + 256)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
