"""What a service or a part of the platform brings to the processes that are composed of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

if TYPE_CHECKING:
    from skyriver.platform.web.runtime import Runtime
    from skyriver.platform.webhooks import EventType
    from skyriver.platform.workloads import ObservedState, WorkloadIntent


@dataclass(frozen=True)
class Meter:
    """One thing that is counted and may be charged for, e.g. `Meter("live.egress", "bytes", "sum")`."""

    name: str
    unit: str
    aggregation: Literal["sum", "max", "p95"]


class Component(Protocol):
    """Something that runs as long as the API process does, in its TaskGroup. Its failure stops the process."""

    async def run(self) -> None:
        """Work until cancelled. Clean-up after the cancellation must be bounded."""
        ...


OpenPart = Callable[["Runtime"], AbstractAsyncContextManager[Sequence[Component]]]
"""Opens what a part needs (connections, caches), provides it to the runtime, and yields the components to run."""


@dataclass(frozen=True)
class Part:
    """What a package of the platform brings to the API process.

    Attributes:
        open: entered at the start, after the store is migrated and in the order of composition; left in reverse.
    """

    name: str
    routers: tuple[APIRouter, ...] = ()
    open: OpenPart | None = None


@dataclass(frozen=True)
class Service:
    """What a service brings: routes, tables (by importing its `records`), workload kinds, meters, console pages.

    Attributes:
        intents: what should run for this service now, asked by the controller within a read session.
        open: like a part's, for services that keep something running in the API process.
        uploads: paths that take larger bodies by POST, and how many bytes: they read them in pieces.
    """

    name: str
    routers: tuple[APIRouter, ...] = ()
    workload_kinds: tuple[str, ...] = ()
    meters: tuple[Meter, ...] = ()
    intents: Callable[[AsyncSession, ObservedState], Awaitable[list[WorkloadIntent]]] | None = None
    open: OpenPart | None = None
    console_pages: tuple[str, ...] = ()
    webhook_events: tuple[EventType, ...] = ()
    uploads: Mapping[str, int] = field(default_factory=dict)
