"""What should run, where it was put, and what is seen of it. Values only: no store, no bus, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Json = Mapping[str, Any]
SiteRole = Literal["core", "edge"]


class NodeState(StrEnum):
    """How much we trust that a node still works."""

    UNKNOWN = "unknown"  # no heartbeat yet since the observer began to listen; nothing is decided about it
    ALIVE = "alive"
    SUSPECT = "suspect"  # 0.5 s without a heartbeat: no new work and no new viewers, nothing is taken away
    DEAD = "dead"  # 1 s: its movable work is placed elsewhere


class WorkloadState(StrEnum):
    """What the agent says of one of its children."""

    STARTING = "starting"
    READY = "ready"
    BACKING_OFF = "backing_off"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True)
class WorkloadIntent:
    """One unit of work that somebody wants to run. The planner gives it a node; nothing else decides that.

    Args:
        name: unique and stable, e.g. `live.transcoder/ch_0gk…`; the same name tomorrow is the same work.
        kind: an entry of the workload registry.
        spec: what the child is told, JSON-able. It must hold only what this workload needs.
        tenant_id: who it works for; None for the platform's own.
        space: the space it serves, if it serves just one.
        site_role: on which sort of site it may run; None for any.
        node_id: pinned to this node, and never placed elsewhere (edge relays, origins).
        apart_from: names of intents whose node this one avoids (a standby avoids its primary's).
        cpu_cores: what it is expected to use, for packing; measured use comes from heartbeats.
        memory_bytes: the same for memory.
        wants_port: a UDP port of the node's range, chosen once and then kept; put into `spec["port"]`.
    """

    name: str
    kind: str
    spec: Json
    tenant_id: str | None = None
    space: str | None = None
    site_role: SiteRole | None = "core"
    node_id: str | None = None
    apart_from: tuple[str, ...] = ()
    cpu_cores: float = 0.25
    memory_bytes: int = 128 * 1024 * 1024
    wants_port: bool = False


@dataclass(frozen=True)
class Assignment:
    """An intent's place. `generation` grows with every move: what runs under an older one is no longer ours."""

    workload_id: str
    name: str
    kind: str
    node_id: str
    generation: int
    port: int | None = None


@dataclass(frozen=True)
class ObservedWorkload:
    """One workload as last reported by the node it is assigned to (never by another, nor of an old generation)."""

    id: str
    name: str
    kind: str
    node_id: str
    generation: int
    tenant_id: str | None = None
    space: str | None = None
    state: WorkloadState = WorkloadState.STARTING
    pid: int | None = None
    restarts: int = 0
    ready: Json = field(default_factory=dict)
    metrics: Json = field(default_factory=dict)
    spec: Json = field(default_factory=dict)
    reported: bool = False
    """False until a heartbeat names it: `ready` may then be what an earlier heartbeat left in the store."""

    @property
    def serving(self) -> bool:
        return self.reported and self.state is WorkloadState.READY

    def metric(self, name: str) -> float:
        """A numeric metric, 0 when it is not reported."""
        value = self.metrics.get(name, 0)
        return float(value) if isinstance(value, int | float) else 0.0


@dataclass(frozen=True)
class StayingWorkload:
    """Work that has gone elsewhere, of which a node still has what nobody else has.

    `trouble`: why it cannot be brought away now, a code; empty while it is.
    """

    name: str
    trouble: str = ""
    restarts: int = 0


@dataclass(frozen=True)
class ObservedNode:
    """A node: what the store knows of it, and what its heartbeats say. `cpu` is in cores, of the whole node."""

    id: str
    name: str
    site_id: str
    site_slug: str
    region: str
    role: SiteRole
    state: NodeState
    draining: bool
    address: str
    cores: float
    memory_bytes: int
    ports: tuple[int, int] = (0, 0)
    latitude: float | None = None
    longitude: float | None = None
    cpu: float = 0.0
    memory_used_bytes: int = 0
    plan_generation: int = 0
    workloads: tuple[ObservedWorkload, ...] = ()
    staying: tuple[StayingWorkload, ...] = ()

    @property
    def takes_work(self) -> bool:
        return self.state is NodeState.ALIVE and not self.draining

    @property
    def shown_state(self) -> str:
        """The word the API shows: a draining node that is alive is `draining`."""
        return "draining" if self.draining and self.state is NodeState.ALIVE else self.state.value


@dataclass(frozen=True)
class RelayEndpoint:
    """Where a relay is reached, and the SHA-256 fingerprints of the certificates it may show."""

    workload_id: str
    node_id: str
    url: str
    certificate_sha256: tuple[str, ...]

    def spec(self) -> dict[str, Any]:
        """As workload specs carry it."""
        return {"url": self.url, "certificate_sha256": list(self.certificate_sha256)}


def _no_grants(name: str, root: str, put: tuple[str, ...], get: tuple[str, ...], tenant_id: str | None) -> str:
    raise RuntimeError("Tried to mint a service grant from an observed state that was built without signing keys.")


ServiceGrant = Callable[[str, str, tuple[str, ...], tuple[str, ...], str | None], str]


@dataclass(frozen=True)
class ObservedState:
    """Everything a service may look at when it says what should run. One instance is one moment."""

    nodes: tuple[ObservedNode, ...] = ()
    grant_minter: ServiceGrant = field(default=_no_grants, repr=False, compare=False)

    @property
    def workloads(self) -> tuple[ObservedWorkload, ...]:
        return tuple(workload for node in self.nodes for workload in node.workloads)

    def node(self, node_id: str) -> ObservedNode | None:
        return next((node for node in self.nodes if node.id == node_id), None)

    def workload(self, name: str) -> ObservedWorkload | None:
        return next((workload for workload in self.workloads if workload.name == name), None)

    def workload_by_id(self, workload_id: str) -> ObservedWorkload | None:
        return next((workload for workload in self.workloads if workload.id == workload_id), None)

    def of_kind(self, kind: str) -> tuple[ObservedWorkload, ...]:
        return tuple(workload for workload in self.workloads if workload.kind == kind)

    def relays(self, role: Literal["origin", "edge"]) -> tuple[ObservedWorkload, ...]:
        return tuple(w for w in self.of_kind("relay") if w.spec.get("role") == role)

    def origins(self, near_node_id: str | None = None) -> tuple[RelayEndpoint, ...]:
        """Every origin that has ever said where it is; those of living nodes first, then by name.

        A dead node's origins stay on the list, last: when it is back, publishers must find it without a new plan.
        The order changes only with a node's death, so that specs made of it are stable.
        """
        dead = {node.id for node in self.nodes if node.state is NodeState.DEAD}
        found = [w for w in self.relays("origin") if w.ready.get("url")]
        found.sort(key=lambda w: (w.node_id in dead, w.node_id != near_node_id if near_node_id else False, w.name))
        return tuple(endpoint_of(workload) for workload in found)

    def service_grant(
        self,
        name: str,
        space: str,
        *,
        tenant_id: str | None = None,
        put: tuple[str, ...] = ("",),
        get: tuple[str, ...] = ("",),
    ) -> str:
        """A service's grant for `space`, to be put into the spec of the intent `name`.

        It is the same token for hours (so that specs are stable), is renewed well before it expires, and is
        revoked when the work is moved to another node: a node that lost it can no longer publish with it.
        """
        return self.grant_minter(name, space, put, get, tenant_id)


def endpoint_of(workload: ObservedWorkload) -> RelayEndpoint:
    """A relay's endpoint from its `ready` event."""
    fingerprints = workload.ready.get("certificate_sha256", ())
    return RelayEndpoint(workload.id, workload.node_id, str(workload.ready["url"]), tuple(fingerprints))
