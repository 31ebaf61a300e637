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
        self._closed = asyncio.Event()
        self.overflowed = False

    def offer(self, payload: bytes) -> bool:
        """Queue a payload; False when the reader is too slow and has been let go."""
        try:
            self._queue.put_nowait(payload)
        except asyncio.QueueFull:
            self.overflowed = True
            self._closed.set()
            return False
        return True

    def close(self) -> None:
        """End the reader's stream."""
        self._closed.set()

    async def next(self, timeout_s: float) -> bytes | None:
        """The next payload; b"" when none came within `timeout_s`; None when the stream is over."""
        if self._closed.is_set():
            return None
        getting = asyncio.ensure_future(self._queue.get())
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({getting, closing}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if self._closed.is_set():
                return None
            return getting.result() if getting.done() else b""
        finally:
            getting.cancel()
            closing.cancel()


class EventHub:
    """Hands every published event to the subscribers who may see it. Never waits for a reader."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._closing = False

    def __len__(self) -> int:
        return len(self._subscriptions)

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
