"""Live events to browsers and programs over server-sent events (SSE).

Each subscriber has a bounded queue. When it overflows, the subscriber is told (`event: overflow`) and let go: a slow
reader must never hold memory for everybody, and after reconnecting it gets fresh state anyway.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from skyriver.kernel.clock import Monotonic, monotonic_s
from skyriver.kernel.errors import TooMany
from skyriver.platform.identity import Principal

QUEUE_EVENTS = 256  # about two minutes of a tenant's events
MAX_SUBSCRIBERS = 1_000
KEEP_ALIVE_S = 15.0  # a comment lets proxies, and us, notice a dead reader
STREAM_S = 600.0  # then the reader connects anew, which a revoked credential cannot


@dataclass(frozen=True)
class Event:
    """One event. `tenant_id` None: for operators only; otherwise for that tenant's principals."""

    name: str
    data: dict[str, Any]
    tenant_id: str | None = None

    def encode(self) -> bytes:
        """The event as SSE lines (WHATWG HTML, section 9.2)."""
        return f"event: {self.name}\ndata: {json.dumps(self.data, separators=(',', ':'))}\n\n".encode()

    def is_for(self, principal: Principal) -> bool:
        """Whether `principal` may see this event."""
        if self.tenant_id is None:
            return principal.is_operator
        return self.tenant_id == principal.tenant_id


class Subscription:
    """One reader's queue."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_EVENTS)
        self._closed = False
        self.overflowed = False

    @property
    def waiting(self) -> int:
        """Events that are queued and not read yet."""
        return self._queue.qsize()

    def offer(self, payload: bytes) -> bool:
        """Queue a payload; False when the reader is too slow and has been let go."""
        if self._queue.full():
            self.overflowed = True
            self.close()
            return False
        self._queue.put_nowait(payload)
        return True

    def close(self) -> None:
        """End the reader's stream; what is queued is dropped."""
        self._closed = True
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(b"")  # wakes a reader that waits

    async def next(self, timeout_s: float) -> bytes | None:
        """The next payload; b"" when none came within `timeout_s`; None when the stream is over."""
        if self._closed:
            return None
        try:
            async with asyncio.timeout(timeout_s):
                payload = await self._queue.get()
        except TimeoutError:
            return b""
        return payload or None  # only `close` queues nothing


class EventHub:
    """Hands every published event to the subscribers who may see it. Never waits for a reader."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._closing = False

    def __len__(self) -> int:
        return len(self._subscriptions)

    @property
    def subscriptions(self) -> frozenset[Subscription]:
        """Who reads now."""
        return frozenset(self._subscriptions)

    def publish(self, name: str, data: dict[str, Any], *, tenant_id: str | None = None) -> None:
        """Send an event to one tenant's principals, or (without a tenant) to the operators."""
        event = Event(name, data, tenant_id)
        payload: bytes | None = None
        for subscription in tuple(self._subscriptions):
            if event.is_for(subscription.principal):
                payload = payload or event.encode()
                if not subscription.offer(payload):
                    self._subscriptions.discard(subscription)

    def subscribe(self, principal: Principal) -> Subscription:
        """A new subscription; give it back with `unsubscribe`.

        Raises:
            TooMany: the process has as many readers as it can hold.
        """
        if len(self._subscriptions) >= MAX_SUBSCRIBERS:
            raise TooMany("Too many event readers are connected.", hint="Try again later.", retry_after_s=10)
        subscription = Subscription(principal)
        if self._closing:
            subscription.close()
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a reader."""
        self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End every stream: a graceful stop must not wait for readers that never leave."""
        self._closing = True
        for subscription in self._subscriptions:
            subscription.close()


async def sse_lines(
    hub: EventHub,
    subscription: Subscription,
    *,
    keep_alive_s: float = KEEP_ALIVE_S,
    stream_s: float = STREAM_S,
    monotonic: Monotonic = monotonic_s,
) -> AsyncIterator[bytes]:
    """The bytes of one SSE response, for `stream_s` at most."""
    ends_s = monotonic() + stream_s
    try:
        yield b": connected\nretry: 1000\n\n"
        while monotonic() < ends_s and (payload := await subscription.next(keep_alive_s)) is not None:
            yield payload or b": alive\n\n"
        if subscription.overflowed:
            yield b'event: overflow\ndata: {"hint":"You read too slowly and missed events; reconnect."}\n\n'
    finally:
        hub.unsubscribe(subscription)
