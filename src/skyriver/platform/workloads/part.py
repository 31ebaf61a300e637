"""What workloads bring to the API process: the bus, the cluster, and their routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from skyriver.fabric.bus import Bus, BusAccess, BusDown
from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.manifest import Component, Part, Service
from skyriver.platform.web.runtime import Runtime
from skyriver.platform.workloads.api import router
from skyriver.platform.workloads.cluster import Cluster
from skyriver.platform.workloads.controller import Controller
from skyriver.platform.workloads.metrics import ClusterMetrics
from skyriver.platform.workloads.model import ObservedState, WorkloadIntent
from skyriver.platform.workloads.relays import relay_intents
from skyriver.platform.workloads.view import ClusterView


@asynccontextmanager
async def _open_bus(runtime: Runtime) -> AsyncIterator[Sequence[Component]]:
    settings = runtime.settings
    if not settings.bus_url:
        yield []
        return
    bus = Bus(
        BusAccess(settings.bus_url, settings.bus_user, settings.bus_password), name="api", inbox_prefix="_INBOX_api"
    )
    runtime.provide(bus)

    async def check() -> None:
        if not bus.connected:
            raise bus.last_error or BusDown("The bus is not connected yet.", hint="It is tried again without end.")

    runtime.readiness["bus"] = check
    yield [bus]


BUS_PART = Part("bus", open=_open_bus)


def part(
    services: Sequence[Service], own_intents: Callable[[ObservedState], list[WorkloadIntent]] = relay_intents
) -> Part:
    """The cluster, which runs `own_intents` and what `services` intend.

    Needs the parts `bus`, `fabric_keys` and `sites` before it.
    """

    @asynccontextmanager
    async def open_(runtime: Runtime) -> AsyncIterator[Sequence[Component]]:
        if not runtime.settings.bus_url:
            yield []
            return
        bus = runtime.get(Bus)
        view = ClusterView(runtime.get(GrantKeys))
        sources = {service.name: service.intents for service in services if service.intents is not None}
        controller = Controller(runtime.store, bus, view, sources, own_intents=own_intents)
        cluster = Cluster(runtime.store, bus, view, controller, runtime.hub)
        runtime.provide(cluster)
        runtime.metrics.register(ClusterMetrics(view, controller))
        yield [cluster]

    return Part("workloads", routers=(router,), open=open_)
