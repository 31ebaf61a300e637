"""The one place that imports the Media-over-QUIC library (`moq-rs`, pinned exactly: its API changes between patch
releases).

Everything else in Skyriver uses the names below, so that an upgrade, or another engine, is a change to this package
alone. What the library does that surprises is written beside the wrapper that copes with it, and held by
tests/contract.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import moq
from moq import (
    BroadcastConsumer,
    BroadcastProducer,
    Client,
    Error,
    Frame,
    GroupConsumer,
    GroupProducer,
    OriginConsumer,
    OriginProducer,
    Request,
    Route,
    Server,
    Session,
    Subscription,
    TrackConsumer,
    TrackInfo,
    TrackProducer,
    TrackRequest,
    is_auth,
)

__all__ = [
    "LOOK_BACK_BYTES",
    "BroadcastConsumer",
    "BroadcastProducer",
    "Endpoint",
    "Error",
    "Frame",
    "GroupConsumer",
    "GroupProducer",
    "OriginConsumer",
    "OriginProducer",
    "Request",
    "Route",
    "Server",
    "Session",
    "TrackConsumer",
    "TrackInfo",
    "TrackProducer",
    "TrackRequest",
    "be_patient",
    "connect",
    "is_auth",
    "new_origin",
    "silence_native_logs",
    "subscribe_live",
]

CACHE_BYTES = 16 * 1024 * 1024  # an origin without a bound was seen growing to 97 MB; with this one it stayed at 57
LOOK_BACK_BYTES = 96 * 1024 * 1024
"""Where somebody may come back for what he missed: 20 s of a channel of 38 Mbit/s, all renditions together. Groups of
more than half a minute go anyway, so that a channel of 4 Mbit/s takes no more of it than of the smaller one."""
MAX_AGE_US = 2_000_000  # the library's default of 0 cuts a slow group short as soon as a newer one begins
CONNECT_TIMEOUT_S = 1.2  # four round trips of 300 ms; a dead relay is then tried again, rather than waited for


@dataclass(frozen=True)
class Endpoint:
    """Where a relay listens. `certificate_sha256`: hex fingerprints to pin; empty means: trust the system's
    authorities."""

    url: str
    certificate_sha256: tuple[str, ...] = ()


def new_origin(cache_bytes: int = CACHE_BYTES) -> OriginProducer:
    """An empty origin with a bounded cache. Never leave a session's side unset: it would share the server's."""
    return OriginProducer(cache_capacity_bytes=cache_bytes)


async def subscribe_live(
    broadcast: BroadcastConsumer, track: str, *, priority: int = 0, back_us: int = 0
) -> TrackConsumer:
    """Subscribe a live track from its newest group on, or from what is cached of the last `back_us`.

    Call `be_patient` once something of it has come.

    A subscription begins with every cached group that its patience allows: without any, it begins with the newest.

    Raises: the library's `Error` when the track cannot be had.
    """
    return await broadcast.subscribe_track(track, Subscription(priority=priority, max_age_us=back_us))


def be_patient(subscription: TrackConsumer, *, priority: int = 0, back_us: int = 0) -> None:
    """From now on a late group is waited for until it is `MAX_AGE_US` old; impatience ends it when the next begins."""
    subscription.update(Subscription(priority=priority, max_age_us=max(MAX_AGE_US, back_us)))


class connect:  # noqa: N801 - used like a function: `async with connect(...) as session`
    """Dial a relay once. Reconnecting is ours to do: the library notices a dead peer only after 9 to 13 s.

    A rejected session connects first and is closed a moment later, with 401 or 403 (see `is_auth`) or another code:
    whoever dials must watch `Session.closed()`.

    Raises on entering: TimeoutError after `CONNECT_TIMEOUT_S`, or the library's `Error`.
    """

    def __init__(
        self, endpoint: Endpoint, space: str, grant: str, *, publish: OriginProducer, subscribe: OriginProducer
    ) -> None:
        self._client = Client(
            f"{endpoint.url}/{space}?jwt={grant}",
            tls_fingerprints=list(endpoint.certificate_sha256) or None,
            websocket_enabled=False,
            reconnect=False,
            publish=publish,
            subscribe=subscribe,
        )

    async def __aenter__(self) -> Session:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await self._client.__aenter__()  # type: ignore[no-untyped-call]
        session = self._client.session
        assert session is not None
        return session

    async def __aexit__(self, *exc: object) -> None:
        await self._client.__aexit__(*exc)


def silence_native_logs() -> None:
    """Keep the native layer to errors: at lower levels it prints URLs, which hold grants."""
    with suppress(Error):  # a process may set it once only; whoever was first has set the same
        moq.log_level("error")


def certificate_hashes(values: Sequence[str]) -> tuple[str, ...]:
    """Fingerprints as the library wants them: lower-case hex without colons."""
    return tuple(value.replace(":", "").lower() for value in values)
