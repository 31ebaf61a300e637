"""What alarms bring to the API process: the desk, and the watchers of the platform's own machines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from skyriver.fabric.bus import Bus
from skyriver.platform.alarms.api import router
from skyriver.platform.alarms.desk import AlarmDesk
from skyriver.platform.alarms.machines import MachineWatch
from skyriver.platform.alarms.spoken import SpokenWatch
from skyriver.platform.manifest import Component, Part
from skyriver.platform.web.runtime import Runtime
from skyriver.platform.workloads.cluster import Cluster


@asynccontextmanager
async def _open(runtime: Runtime) -> AsyncIterator[Sequence[Component]]:
    desk = AlarmDesk(runtime.store, runtime.hub, now=runtime.now)
    runtime.provide(desk)
    components: list[Component] = [desk]
    if runtime.settings.bus_url:
        cluster = runtime.get(Cluster)
        components.append(MachineWatch(desk, runtime.store, cluster, runtime.get(Bus)))
        components.append(SpokenWatch(desk, runtime.store, cluster))
    yield components


PART = Part("alarms", routers=(router,), open=_open)
"""Needs the parts `bus` and `workloads` before it."""
