"""A small fabric for tests: real relays on ephemeral ports of the loopback, grants, and a synthetic publisher."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from skyriver.fabric import Endpoint
from skyriver.fabric.grants import SigningKey, Verifier
from skyriver.fabric.relay import Metrics, Relay
from skyriver.fabric.relay_config import RelayConfig
from skyriver.fabric.relay_session import Usage

SPACE = "live/ch_1"
SIGNER = SigningKey("k1", Ed25519PrivateKey.generate())
JWKS = {"keys": [SIGNER.public_jwk()]}


def service_grant(space: str = SPACE) -> str:
    """What stations, transcoders and edges hold."""
    return SIGNER.sign(root=space, put=[""], get=[""], cluster=True, lifetime=timedelta(minutes=5))


def viewer_grant(
    space: str = SPACE,
    *,
    get: tuple[str, ...] = ("",),
    lifetime: timedelta = timedelta(minutes=5),
    jti: str | None = None,
) -> str:
    """What a viewer holds."""
    return SIGNER.sign(root=space, get=list(get), lifetime=lifetime, jti=jti)


def publisher_grant(put: tuple[str, ...], space: str = SPACE) -> str:
    """What somebody out there holds who may publish a part of a space."""
    return SIGNER.sign(root=space, put=list(put), get=[""], lifetime=timedelta(minutes=5))


class Reports:
    """What a relay has reported; `until` waits for a report that makes something true."""

    def __init__(self) -> None:
        self.usage: list[Usage] = []
        self.metrics: list[Metrics] = []
        self.endpoints: list[Endpoint] = []
        self._changed = asyncio.Event()

    def add(self, kind: list[Any], report: Any) -> None:
        kind.append(report)
        self._changed.set()

    async def until(self, predicate: Callable[[Reports], bool], *, timeout_s: float = 20.0) -> None:
        """Wait for a report after which `predicate` holds."""
        async with asyncio.timeout(timeout_s):
            while not predicate(self):
                self._changed.clear()
                await self._changed.wait()


@dataclass
class RunningRelay:
    """A relay in this process and what it has reported."""

    relay: Relay
    verifier: Verifier
    task: asyncio.Future[None]
    reports: Reports

    @property
    def endpoint(self) -> Endpoint:
        return self.reports.endpoints[-1]

    async def stop(self) -> None:
        """End it as a drained relay ends."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def start_relay(
    folder: Path, upstreams: tuple[Endpoint, ...] = (), *, port: int = 0, **changes: Any
) -> RunningRelay:
    """A relay that listens."""
    reports = Reports()
    config = RelayConfig(
        "127.0.0.1",
        (port,),
        folder,
        is_origin=not upstreams,
        upstreams=upstreams,
        upstream_grant=service_grant,
        sample_every_s=0.1,
        usage_every_s=0.2,
    )
    verifier = Verifier(JWKS)
    relay = Relay(
        replace(config, **changes),
        verifier,
        on_usage=lambda usage: reports.add(reports.usage, usage),
        on_metrics=lambda metrics: reports.add(reports.metrics, metrics),
        on_listening=lambda found: reports.add(reports.endpoints, found[-1]),
    )
    task = asyncio.ensure_future(relay.run())
    listening = asyncio.ensure_future(reports.until(lambda r: bool(r.endpoints)))
    await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    return RunningRelay(relay, verifier, task, reports)


@asynccontextmanager
async def running_relay(
    folder: Path, upstreams: tuple[Endpoint, ...] = (), **changes: Any
) -> AsyncIterator[RunningRelay]:
    """A relay for the length of a block."""
    running = await start_relay(folder, upstreams, **changes)
    try:
        yield running
    finally:
        await running.stop()


@asynccontextmanager
async def running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run things for the length of a block."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class BlackHole:
    """A UDP forwarder on the loopback that can be told to swallow everything: a peer that is dead without a word."""

    def __init__(self, target: Endpoint) -> None:
        self._target = ("127.0.0.1", int(target.url.rsplit(":", 1)[1]))
        self._pins = target.certificate_sha256
        self._upstream: dict[Any, asyncio.DatagramTransport] = {}
        self._waiting: dict[Any, list[bytes]] = {}
        self._opening: list[asyncio.Future[None]] = []
        self.swallowing = False
        self.swallowed = asyncio.Event()

    async def __aenter__(self) -> BlackHole:
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(lambda: _Leg(self._to_target), ("127.0.0.1", 0))
        return self

    async def __aexit__(self, *exc: object) -> None:
        for transport in (self._front, *self._upstream.values()):
            transport.close()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(f"https://127.0.0.1:{self._front.get_extra_info('sockname')[1]}", self._pins)

    def _to_target(self, packet: bytes, client: Any) -> None:
        if self.swallowing:
            self.swallowed.set()
        elif client in self._upstream:
            self._upstream[client].sendto(packet)
        elif client in self._waiting:
            self._waiting[client].append(packet)
        else:
            self._waiting[client] = [packet]
            self._opening.append(asyncio.ensure_future(self._open(client)))

    async def _open(self, client: Any) -> None:
        def back(answer: bytes, _: Any) -> None:
            if not self.swallowing and not self._front.is_closing():
                self._front.sendto(answer, client)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Leg(back), remote_addr=self._target)
        self._upstream[client] = transport
        for packet in self._waiting.pop(client):
            transport.sendto(packet)


class _Leg(asyncio.DatagramProtocol):
    def __init__(self, forward: Callable[[bytes, Any], None]) -> None:
        self._forward = forward

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._forward(data, addr)
