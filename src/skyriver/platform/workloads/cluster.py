"""The cluster as routes and services see it: one object per API process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal

from skyriver.fabric.bus import Bus
from skyriver.kernel.errors import NotFound, NotReady, WorldBroke
from skyriver.platform.dispatch import EdgeRanking, HealthyNearSpread, RankedEdge, Viewer, candidates
from skyriver.platform.fabric_keys import deny_grant
from skyriver.platform.store import Store
from skyriver.platform.web.events import EventHub
from skyriver.platform.workloads.controller import Controller
from skyriver.platform.workloads.hearing import Hearing, WorkloadEvents
from skyriver.platform.workloads.model import ObservedState, ObservedWorkload
from skyriver.platform.workloads.overview import OverviewPublisher, Total, overview_of
from skyriver.platform.workloads.view import ClusterView

KillSignal = Literal["KILL", "TERM"]
COMMAND_TIMEOUT_S = 2.0


class NoSuchWorkload(NotFound):
    code = "no_such_workload"

    def __init__(self, workload_id: str) -> None:
        super().__init__(f"There is no workload {workload_id}.", hint="GET /v1/workloads lists them.")


class NoEdge(NotReady):
    """No edge can take a viewer now."""

    code = "no_edge"

    def __init__(self) -> None:
        super().__init__("No edge can serve viewers at this moment.", hint="Try again in a second.")


class Cluster:
    """Reads: `observed`, `edges_for`, `overview`. Changes: `kick`, `kill`, `tell`, `deny`. Hears: `listening`."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        view: ClusterView,
        controller: Controller,
        hub: EventHub,
        ranking: EdgeRanking | None = None,
    ) -> None:
        self._store = store
        self._bus = bus
        self._view = view
        self._hub = hub
        self._hearing = Hearing(bus, view, controller, hub)
        self._ranking = ranking or HealthyNearSpread()
        self._totals: dict[str, Total] = {}
        self.controller = controller

    @property
    def observed(self) -> ObservedState:
        """The cluster at this moment."""
        return self._view.observed

    async def changed(self) -> None:
        """Until `observed` is new: after a heartbeat, a node's death, or a change of the plan."""
        await self._view.next_change()

    def kick(self) -> None:
        """Plan soon: call it after the commit of whatever changed what should run."""
        self.controller.kick()

    def edges_for(self, viewer: Viewer, *, limit: int = 4) -> list[RankedEdge]:
        """The edges this viewer should try, best first.

        Raises:
            NoEdge: there is none at this moment.
        """
        ranked = self._ranking.rank(viewer, candidates(self.observed, viewer.space), limit=limit)
        if not ranked:
            raise NoEdge
        return ranked

    @contextmanager
    def listening(self, kind: str) -> Iterator[WorkloadEvents]:
        """Events of all workloads of a kind, while the block lasts."""
        events = self._hearing.listen(kind)
        try:
            yield events
        finally:
            self._hearing.unlisten(events)

    def add_total(self, name: str, total: Total) -> None:
        """Add a sum of a service's own to the overview, e.g. `channels_live`."""
        self._totals[name] = total

    def overview(self) -> dict[str, Any]:
        """Sites, nodes, workloads, sums; see `overview_of`."""
        return overview_of(self._view, self._totals)

    async def kill(self, workload_id: str, signal: KillSignal = "KILL") -> ObservedWorkload:
        """Have the node's agent kill the workload's process; the agent starts it again.

        Raises:
            NoSuchWorkload: there is none with this id.
            NobodyAnswered, BusDown: its node cannot be told now.
            WorldBroke: the agent has no such process.
        """
        workload = self.observed.workload_by_id(workload_id)
        if workload is None:
            raise NoSuchWorkload(workload_id)
        command = json.dumps({"cmd": "kill", "workload_id": workload_id, "signal": signal}).encode()
        answer = json.loads(await self._bus.request(f"sky.cmd.{workload.node_id}", command, timeout=COMMAND_TIMEOUT_S))
        if not answer.get("ok"):
            raise WorldBroke(
                f"Killing {workload.name} failed: {answer.get('error', 'its node did not say why')}.",
                hint="It may be starting; look at its state and try again.",
                code="kill_failed",
            )
        self._hearing.incident(
            "workload_killed",
            node=workload.node_id,
            workload=workload,
            message=f"{workload.name} was killed on request.",
        )
        return workload

    async def tell(self, workload_id: str, command: Mapping[str, Any]) -> None:
        """Have a workload's process told something of its own kind, at once. Nothing repeats it: a process that starts
        later has not heard it.

        Raises:
            NoSuchWorkload: there is none with this id.
            NobodyAnswered, BusDown: its node cannot be told now.
            WorldBroke: the agent has no such process.
        """
        workload = self.observed.workload_by_id(workload_id)
        if workload is None:
            raise NoSuchWorkload(workload_id)
        request = json.dumps({"cmd": "tell", "workload_id": workload_id, "command": command}).encode()
        answer = json.loads(await self._bus.request(f"sky.cmd.{workload.node_id}", request, timeout=COMMAND_TIMEOUT_S))
        if not answer.get("ok"):
            raise WorldBroke(
                f"Telling {workload.name} something failed: {answer.get('error', 'its node did not say why')}.",
                hint="It may be starting; try again in a second.",
                code="not_told",
            )

    async def deny(self, jti: str, expires_at: datetime, reason: str) -> None:
        """Revoke a grant: relays end its sessions at once, and refuse it from then on."""
        async with self._store.transaction() as session:
            await deny_grant(session, jti, expires_at, reason)
        self.controller.kick()

    async def run(self) -> None:
        """The component: listen, plan, publish, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hearing.run())
            tasks.create_task(self.controller.run())
            tasks.create_task(OverviewPublisher(self._view, self._hub, self._totals).run())
