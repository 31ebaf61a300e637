"""A small fabric for tests: real relays on ephemeral ports of the loopback, grants, and a synthetic publisher."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from skyriver.fabric import Endpoint
from skyriver.fabric.grants import SigningKey, Verifier
from skyriver.fabric.relay import Metrics, Relay, RelayConfig
from skyriver.fabric.relay_session import Usage

SPACE = "live/ch_1"
SIGNER = SigningKey("k1", Ed25519PrivateKey.generate())
JWKS = {"keys": [SIGNER.public_jwk()]}


def service_grant(space: str = SPACE) -> str:
    """What stations, transcoders and edges hold."""
    return SIGNER.sign(root=space, put=[""], get=[""], cluster=True, lifetime=timedelta(minutes=5))


def viewer_grant(
    space: str = SPACE, *, get: tuple[str, ...] = ("",), lifetime: timedelta = timedelta(minutes=5)
) -> str:
    """What a viewer holds."""
    return SIGNER.sign(root=space, get=list(get), lifetime=lifetime)


def publisher_grant(put: tuple[str, ...], space: str = SPACE) -> str:
    """What somebody out there holds who may publish a part of a space."""
    return SIGNER.sign(root=space, put=list(put), get=[""], lifetime=timedelta(minutes=5))


@dataclass
class RunningRelay:
    """A relay in this process, what it has reported, and the means to end it abruptly."""

    relay: Relay
    endpoint: Endpoint
    verifier: Verifier
    task: asyncio.Task[None]
    usage: list[Usage] = field(default_factory=list)
    metrics: list[Metrics] = field(default_factory=list)
    endpoints: list[Endpoint] = field(default_factory=list)

    async def stop(self) -> None:
        """End it as a drained relay ends."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def start_relay(
    folder: Path, upstreams: tuple[Endpoint, ...] = (), *, port: int = 0, **changes: object
) -> RunningRelay:
    """A relay that listens."""
    listening: asyncio.Queue[Endpoint] = asyncio.Queue()
    usage: list[Usage] = []
    metrics: list[Metrics] = []
    endpoints: list[Endpoint] = []

    def on_listening(found: tuple[Endpoint, ...]) -> None:
        endpoints.append(found[0])
        listening.put_nowait(found[0])

    config = RelayConfig("127.0.0.1", (port,), folder, upstreams=upstreams, upstream_grant=service_grant)
    config = replace(config, **changes)  # type: ignore[arg-type]
    verifier = Verifier(JWKS)
    relay = Relay(config, verifier, on_usage=usage.append, on_metrics=metrics.append, on_listening=on_listening)
    task = asyncio.ensure_future(relay.run())
    first = asyncio.ensure_future(listening.get())
    await asyncio.wait({task, first}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    return RunningRelay(relay, first.result(), verifier, task, usage, metrics, endpoints)


@asynccontextmanager
async def running_relay(
    folder: Path, upstreams: tuple[Endpoint, ...] = (), **changes: object
) -> AsyncIterator[RunningRelay]:
    """A relay for the length of a block."""
    running = await start_relay(folder, upstreams, **changes)  # type: ignore[arg-type]
    try:
        yield running
    finally:
        await running.stop()
