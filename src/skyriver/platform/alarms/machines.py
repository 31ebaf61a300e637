"""The platform's own alarms: nodes that are dead, sites that cannot serve, work without a place, a bus that is away.

They belong to the operator's tenant. `machine_conditions` is a function of what is observed; `MachineWatch` asks it
once a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from sqlalchemy import select

from skyriver.fabric.bus import Bus
from skyriver.platform.alarms.desk import AlarmDesk
from skyriver.platform.alarms.model import Condition, Severity, Subject
from skyriver.platform.identity.records import TenantRecord
from skyriver.platform.store import Store
from skyriver.platform.workloads import ObservedState
from skyriver.platform.workloads.cluster import Cluster
from skyriver.platform.workloads.model import NodeState, ObservedNode, WorkloadState

LOOK_EVERY_S = 1.0
NODE_DEAD, SITE_WITHOUT_EDGE, WORK_UNPLACED, WORKLOAD_FAILING, WORK_LEFT_BEHIND, BUS_DOWN = (
    "node_dead",
    "site_without_edge",
    "work_unplaced",
    "workload_failing",
    "work_left_behind",
    "bus_down",
)

NODE_AFTER_S = 3.0  # an agent that is started again is back in two
EDGE_AFTER_S = 10.0  # a relay's restart takes one second, a new node's first start some more
UNPLACED_AFTER_S = 15.0  # several passes of the planner
FAILING_AFTER_S = 5.0  # a first back-off is shorter: one crash is an incident, a loop is an alarm
LEFT_BEHIND_AFTER_S, LEFT_BEHIND_RESTARTS = 15.0, 3
BUS_AFTER_S = 5.0
CALM_S = 10.0
SETTLE_S = 20.0
"""After a start: a machine that was switched on has its API up before its agents, and nothing is wrong with those."""
UNPLACED_SHOWN = 5


def machine_conditions(
    operator_tenant_id: str, observed: ObservedState, unplaced: Mapping[str, str], *, bus_connected: bool
) -> Iterator[Condition]:
    """What is wrong with the machines now. Times and texts included; nothing here remembers anything."""
    if not bus_connected:
        yield Condition(
            operator_tenant_id,
            BUS_DOWN,
            Severity.CRITICAL,
            Subject("cloud", "bus", "bus"),
            "The API cannot reach the bus: nodes are neither heard nor told of changes. Running shows go on.",
            "Look at the NATS server's log and at the network between it and the API.",
            raise_after_s=BUS_AFTER_S,
            clear_after_s=CALM_S,
        )
        return  # what nodes last said is old by now: nothing new can be concluded from it
    for node in observed.nodes:
        if node.state is NodeState.DEAD:
            yield _node_dead(operator_tenant_id, node)
        yield from _failing(operator_tenant_id, node)
        yield from _left_behind(operator_tenant_id, node)
    yield from _sites_without_edge(operator_tenant_id, observed)
    if unplaced:
        names = ", ".join(f"{name} ({reason})" for name, reason in sorted(unplaced.items())[:UNPLACED_SHOWN])
        yield Condition(
            operator_tenant_id,
            WORK_UNPLACED,
            Severity.CRITICAL,
            Subject("cloud", "planner", "planner"),
            f"{len(unplaced)} pieces of work have no node: {names}",
            "Add a node, take a drained one back into service, or stop channels.",
            raise_after_s=UNPLACED_AFTER_S,
            clear_after_s=CALM_S,
        )


def _node_dead(operator_tenant_id: str, node: ObservedNode) -> Condition:
    return Condition(
        operator_tenant_id,
        NODE_DEAD,
        Severity.CRITICAL,
        Subject("node", node.id, node.name),
        f"Node {node.name} at site {node.site_slug} does not answer. Its movable work was placed elsewhere.",
        "Look at the machine and at its agent's log; delete the node if it is gone for good.",
        raise_after_s=NODE_AFTER_S,
        clear_after_s=CALM_S,
    )


def _failing(operator_tenant_id: str, node: ObservedNode) -> Iterator[Condition]:
    if node.state is not NodeState.ALIVE:
        return
    for workload in node.workloads:
        if workload.reported and workload.state is WorkloadState.BACKING_OFF:
            yield Condition(
                operator_tenant_id,
                WORKLOAD_FAILING,
                Severity.CRITICAL,
                Subject("workload", workload.id, workload.name),
                f"{workload.name} on node {node.name} keeps ending; it was started again {workload.restarts} times.",
                "Its last words are in the agent's log on that node.",
                raise_after_s=FAILING_AFTER_S,
                clear_after_s=60.0,  # between two tries of a back-off it looks well
            )


def _left_behind(operator_tenant_id: str, node: ObservedNode) -> Iterator[Condition]:
    stuck = [work for work in node.staying if work.trouble or work.restarts >= LEFT_BEHIND_RESTARTS]
    if node.state is not NodeState.ALIVE or not stuck:
        return
    names = ", ".join(work.name for work in stuck[:UNPLACED_SHOWN])
    troubles = sorted({work.trouble for work in stuck if work.trouble}) or ["its process keeps ending"]
    yield Condition(
        operator_tenant_id,
        WORK_LEFT_BEHIND,
        Severity.WARNING,
        Subject("node", node.id, node.name),
        f"Node {node.name} has what nobody else has of work that was moved away, and cannot bring it to where it "
        f"belongs ({', '.join(troubles)}): {names}",
        "Keep the machine running and bring the object store back; it is lost a day after the work was moved.",
        raise_after_s=LEFT_BEHIND_AFTER_S,
        clear_after_s=CALM_S,
    )


def _sites_without_edge(operator_tenant_id: str, observed: ObservedState) -> Iterator[Condition]:
    sites: dict[str, list[ObservedNode]] = {}
    for node in observed.nodes:
        if node.role == "edge":
            sites.setdefault(node.site_id, []).append(node)
    for site_id, nodes in sites.items():
        serves = any(
            workload.kind == "relay" and workload.spec.get("role") == "edge" and workload.serving
            for node in nodes
            if node.state in (NodeState.ALIVE, NodeState.SUSPECT)
            for workload in node.workloads
        )
        if not serves and any(node.state is not NodeState.UNKNOWN for node in nodes):
            slug = nodes[0].site_slug
            yield Condition(
                operator_tenant_id,
                SITE_WITHOUT_EDGE,
                Severity.CRITICAL,
                Subject("site", site_id, slug),
                f"No edge of site {slug} serves viewers; they are sent to other sites.",
                "Look at the site's nodes and its uplink.",
                raise_after_s=EDGE_AFTER_S,
                clear_after_s=CALM_S,
            )


class MachineWatch:
    """The component: looks once a second."""

    def __init__(self, desk: AlarmDesk, store: Store, cluster: Cluster, bus: Bus) -> None:
        self._desk = desk
        self._source = desk.source("machines")
        self._store = store
        self._cluster = cluster
        self._bus = bus

    async def run(self) -> None:
        operator_tenant_id = ""
        settled_s = self._desk.now_s() + SETTLE_S
        while True:
            operator_tenant_id = operator_tenant_id or await operator_tenant_id_of(self._store)
            if operator_tenant_id:
                conditions = machine_conditions(
                    operator_tenant_id,
                    self._cluster.observed,
                    self._cluster.controller.unplaced(),
                    bus_connected=self._bus.connected,
                )
                if self._desk.now_s() >= settled_s:
                    await self._source.look(conditions, unknown=self._cannot_tell)
                else:
                    bus_down = [condition for condition in conditions if condition.kind == BUS_DOWN]
                    await self._source.look(bus_down, unknown=lambda _condition: True)
            await asyncio.sleep(LOOK_EVERY_S)

    def _cannot_tell(self, condition: Condition) -> bool:
        return not self._bus.connected and condition.kind != BUS_DOWN


async def operator_tenant_id_of(store: Store) -> str:
    """Whose alarms the platform's are; empty before the first start is done."""
    async with store.session() as session:
        return (await session.scalars(select(TenantRecord.id).where(TenantRecord.is_operator))).first() or ""
