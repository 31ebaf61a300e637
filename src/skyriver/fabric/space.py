"""A space as one relay holds it: its origin, who is in it, and where its broadcasts come from."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from skyriver.fabric import moq
from skyriver.fabric.bridge import DurableBroadcast, Feeder
from skyriver.fabric.grants import Grant, is_space
from skyriver.fabric.uplink import Uplinks
from skyriver.kernel.clock import monotonic_s

log = logging.getLogger(__name__)

Spawn = Callable[[Coroutine[Any, Any, None]], None]
"""Runs work that must not outlive the relay, and whose failure must not end it."""

MAX_BROADCASTS_PER_SESSION = 64
_orders = itertools.count()


class Space:
    """One space on one relay.

    At an origin its broadcasts come from publishers, through the gate; at an edge from the origins, through uplinks
    that feed the same origin object directly, because relays trust each other.
    """

    def __init__(self, name: str, spawn: Spawn, uplinks: Uplinks | None = None) -> None:
        self.name = name
        self.uplinks = uplinks
        self.origin = uplinks.origin if uplinks is not None else moq.new_origin()
        self.sessions = 0
        self.empty_since_s = monotonic_s()
        self._spawn = spawn
        self._durable: dict[str, DurableBroadcast] = {}
        self._scoped: dict[tuple[str, ...], moq.OriginProducer] = {}

    def view(self, grant: Grant) -> moq.OriginProducer:
        """What the holder of `grant` may subscribe.

        The whole space is its origin itself. A part of it is a private copy that a gate fills (one copy of each
        frame for each distinct set of prefixes, however many viewers share it): the library knows no scopes.
        """
        if "" in grant.get:
            return self.origin
        scope = tuple(sorted(set(grant.get)))
        if not scope:
            return moq.new_origin()
        if scope not in self._scoped:
            self._scoped[scope] = scoped = moq.new_origin(moq.LOOK_BACK_BYTES)  # recorders read here
            self._spawn(Gate(self.origin.consume(), scoped, grant.may_get, self._spawn).run())
        return self._scoped[scope]

    def gate(self, inbox: moq.OriginProducer, grant: Grant, on_refused: Callable[[str], None]) -> Gate:
        """The gate for a session that may publish: `inbox` is its private consume origin."""
        return Gate(
            inbox.consume(),
            self.origin,
            grant.may_put,
            self._spawn,
            durable=self._durable,
            on_refused=on_refused,
            native_catalog=not grant.cluster,
        )

    @property
    def broadcasts(self) -> dict[str, DurableBroadcast]:
        """The broadcasts this relay owns, by path."""
        return {path: b for path, b in self._durable.items() if not b.closed}


class Gate:
    """Watches one inbox, and lets the allowed paths feed durable broadcasts in `target`."""

    def __init__(
        self,
        inbox: moq.OriginConsumer,
        target: moq.OriginProducer,
        allowed: Callable[[str], bool],
        spawn: Spawn,
        *,
        durable: dict[str, DurableBroadcast] | None = None,
        on_refused: Callable[[str], None] = lambda path: None,
        native_catalog: bool = False,
    ) -> None:
        self._inbox = inbox
        self._target = target
        self._allowed = allowed
        self._spawn = spawn
        self._durable = {} if durable is None else durable
        self._on_refused = on_refused
        self._native_catalog = native_catalog
        self._feeding: dict[str, tuple[DurableBroadcast, Feeder]] = {}

    async def run(self) -> None:
        """Follow announcements until the inbox ends or the task is cancelled; then take every feeder away."""
        try:
            async with self._inbox.announced() as announced:
                async for update in announced:
                    await self._follow(update.prefix, update.active, update.route.cost)
        except moq.Error:
            pass  # the session is over
        finally:
            await asyncio.shield(self._leave())

    async def _follow(self, path: str, active: bool, cost: int) -> None:
        if path.startswith("_"):
            return  # the fabric's own; see uplink.POKE_PREFIX
        is_full = path not in self._feeding and len(self._feeding) >= MAX_BROADCASTS_PER_SESSION
        if is_full or not (is_space(path) and self._allowed(path)):
            if active:
                self._on_refused(path)
            return
        feeding = self._feeding.get(path)
        if not active:
            if feeding is not None:
                del self._feeding[path]
                await feeding[0].detach(feeding[1])
            return
        if feeding is not None:
            if feeding[1].cost == cost:
                return
            await feeding[0].detach(feeding[1])
        resolve = partial(self._inbox.announced_broadcast, path)
        feeder = Feeder(resolve, cost, next(_orders), native_catalog=self._native_catalog)
        broadcast = self._broadcast(path)
        self._feeding[path] = (broadcast, feeder)
        await broadcast.attach(feeder)

    def _broadcast(self, path: str) -> DurableBroadcast:
        broadcast = self._durable.get(path)
        if broadcast is None or broadcast.closed:
            self._durable[path] = broadcast = DurableBroadcast(self._target, path)
            self._spawn(self._run(broadcast))
        return broadcast

    async def _run(self, broadcast: DurableBroadcast) -> None:
        try:
            await broadcast.run()
        finally:
            if self._durable.get(broadcast.path) is broadcast:
                del self._durable[broadcast.path]

    async def _leave(self) -> None:
        for broadcast, feeder in self._feeding.values():
            await broadcast.detach(feeder)
        self._feeding.clear()
