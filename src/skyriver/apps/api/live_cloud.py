"""Joins live channels to the cluster: what the service asks of its surroundings, answered by the platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from skyriver.platform.manifest import Component, Part
from skyriver.platform.web.runtime import Runtime
from skyriver.platform.workloads import ObservedState
from skyriver.platform.workloads.cluster import Cluster
from skyriver.services.live.cloud import Cloud, NoCloud
from skyriver.services.live.intents import STATION
from skyriver.services.live.observe import Live, StationEvent


class ClusterCloud:
    """The cluster, as live channels see it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def observed(self) -> ObservedState:
        return self._cluster.observed

    def plan_anew(self) -> None:
        self._cluster.kick()

    async def kill(self, workload_id: str) -> None:
        await self._cluster.kill(workload_id)


def cloud_of(runtime: Runtime) -> Cloud:
    """The cluster of this process; nothing where it runs without a bus."""
    if not runtime.settings.bus_url:
        return NoCloud()
    cluster = runtime.get(Cluster)
    cluster.add_total("channels_live", channels_live)
    return ClusterCloud(cluster)


def channels_live(observed: ObservedState) -> int:
    """How many channels have a publisher, as the stations that can be heard say."""
    stations = (w for w in observed.of_kind(STATION) if w.serving)
    return sum(len(station.metrics.get("channels") or {}) for station in stations)


class _StationNews:
    """Brings what stations say to the service."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def run(self) -> None:
        live = self._runtime.get(Live)
        with self._runtime.get(Cluster).listening(STATION) as events:
            async for event in events:
                live.offer(StationEvent(event.workload.id, event.body))


@asynccontextmanager
async def _open(runtime: Runtime) -> AsyncIterator[Sequence[Component]]:
    yield [_StationNews(runtime)] if runtime.settings.bus_url else []


STATION_NEWS = Part("station_news", open=_open)
"""Runs after every part and service is open, so that it finds both ends."""
