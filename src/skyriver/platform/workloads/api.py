"""Routes of nodes and workloads, and of the nodes themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import select

from skyriver.kernel.clock import utc_now
from skyriver.platform.identity import record_audit
from skyriver.platform.sites import NodeRecord, NoSuchNode, delete_node, describe_machine, set_draining
from skyriver.platform.sites.api import Machine, NodeBus, node_bus, operator_tenant_id
from skyriver.platform.web.auth import Node, Operator
from skyriver.platform.web.pages import Page, Paging, fetch_page
from skyriver.platform.web.problems import problems
from skyriver.platform.web.runtime import Provided, RuntimeDep
from skyriver.platform.web.sessions import Reader
from skyriver.platform.workloads.cluster import Cluster
from skyriver.platform.workloads.overview import node_line, workload_line
from skyriver.platform.workloads.records import WorkloadRecord

router = APIRouter(prefix="/v1", tags=["nodes"])
ClusterDep = Annotated[Cluster, Provided(Cluster)]


class Workload(BaseModel):
    """A piece of running work, as its node last reported it."""

    id: str
    kind: str
    name: str
    node_id: str
    tenant_id: str | None
    space: str | None
    generation: int
    state: Literal["starting", "ready", "backing_off", "draining", "stopped", "unknown"]
    pid: int | None
    restarts: int
    cpu: float
    memory_bytes: int
    viewers: int
    egress_bps: float


class NodeView(BaseModel):
    """A node, as its heartbeats show it."""

    id: str
    name: str
    site_id: str
    site: str
    role: Literal["core", "edge"]
    region: str
    state: Literal["unknown", "alive", "suspect", "dead", "draining"]
    draining: bool
    address: str
    cores: float
    memory_total_bytes: int
    cpu: float = Field(description="Cores in use.")
    memory_bytes: int = Field(description="Bytes in use.")
    viewers: int
    egress_bps: float
    workloads: list[Workload]


class NodeChange(BaseModel):
    """What may be changed of a node."""

    draining: bool = Field(description="true: its movable work goes elsewhere and new viewers avoid it.")


class KillOrder(BaseModel):
    """How to kill."""

    signal: Literal["KILL", "TERM"] = "KILL"


class Killed(BaseModel):
    """What was killed and when."""

    killed: str
    at: datetime


class NodePlanWorkload(BaseModel):
    """One piece of work a node is to run."""

    id: str
    kind: str
    name: str
    generation: int
    spec: dict[str, Any]
    restart: Literal["always"]


class DeniedGrant(BaseModel):
    """Revoked grants: one (`jti ...`), or those of a space or principal that were issued before a time.

    `exp` in seconds, `before_us` in microseconds since the epoch.
    """

    subject: str
    before_us: int | None = None
    exp: int


class NodePlan(BaseModel):
    """Everything a node needs; it keeps to it until it gets a newer one."""

    node_id: str
    generation: int
    jwks: dict[str, Any]
    denied: list[DeniedGrant]
    workloads: list[NodePlanWorkload]
    bus: NodeBus


@router.get("/nodes")
async def list_nodes(caller: Operator, cluster: ClusterDep, reader: Reader, paging: Paging) -> Page[NodeView]:
    """All nodes."""
    rows, following = await fetch_page(reader, select(NodeRecord), NodeRecord.id, paging)
    observed = cluster.observed
    found = [node for row in rows if (node := observed.node(row.id)) is not None]
    return Page(items=[NodeView(**node_line(node)) for node in found], next_cursor=following)


@router.patch("/nodes/{node_id}", responses=problems(404))
async def change_node(
    node_id: str, body: NodeChange, caller: Operator, cluster: ClusterDep, runtime: RuntimeDep
) -> NodeView:
    """Drain a node, or take it back into service."""
    async with runtime.store.transaction() as session:
        await set_draining(session, caller, node_id, body.draining)
    await cluster.controller.pass_once()
    node = cluster.observed.node(node_id)
    if node is None:
        raise NoSuchNode(node_id)
    return NodeView(**node_line(node))


@router.delete("/nodes/{node_id}", status_code=204, responses=problems(404))
async def remove_node(node_id: str, caller: Operator, cluster: ClusterDep, runtime: RuntimeDep) -> None:
    """Forget a node. Its key opens nothing from now on; its work goes elsewhere."""
    async with runtime.store.transaction() as session:
        await delete_node(session, caller, node_id)
    cluster.kick()


@router.get("/workloads")
async def list_workloads(caller: Operator, cluster: ClusterDep, reader: Reader, paging: Paging) -> Page[Workload]:
    """Everything that runs or should run."""
    rows, following = await fetch_page(reader, select(WorkloadRecord), WorkloadRecord.id, paging)
    observed = cluster.observed
    found = [workload for row in rows if (workload := observed.workload_by_id(row.id)) is not None]
    return Page(items=[Workload(**workload_line(workload)) for workload in found], next_cursor=following)


@router.post("/workloads/{workload_id}/kill", responses=problems(404, 409))
async def kill_workload(
    workload_id: str, body: KillOrder, caller: Operator, cluster: ClusterDep, runtime: RuntimeDep
) -> Killed:
    """Kill a workload's process, to see that nobody notices. Its agent starts it again."""
    killed = await cluster.kill(workload_id, body.signal)
    async with runtime.store.transaction() as session:
        record_audit(session, caller, "workload.killed", workload_id, name=killed.name, signal=body.signal)
    return Killed(killed=workload_id, at=utc_now())


@router.get("/node/plan", tags=["node"])
async def read_node_plan(node: Node, cluster: ClusterDep, runtime: RuntimeDep) -> NodePlan:
    """The plan of the node that asks (with a token signed by its key)."""
    plan = await cluster.controller.plan_of(node.id)
    return NodePlan(**plan, bus=node_bus(runtime.settings))


@router.put("/node/machine", tags=["node"])
async def describe_node_machine(body: Machine, node: Node, cluster: ClusterDep, runtime: RuntimeDep) -> Machine:
    """What the asking node's machine is like now. Relays whose ports are no longer in its range get others."""
    async with runtime.store.transaction() as session:
        operator = await operator_tenant_id(session)
        await describe_machine(session, node.id, body.described(), operator_tenant_id=operator)
    await cluster.controller.pass_once()
    return body
