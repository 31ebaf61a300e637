"""A cloud whose observation is written by hand, for what needs machines to look at but none to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from skyriver.platform.dispatch import HealthyNearSpread, RankedEdge, Viewer, candidates
from skyriver.platform.workloads import ObservedState
from skyriver.platform.workloads.cluster import NoEdge
from skyriver.platform.workloads.hearing import WorkloadEvents
from skyriver.platform.workloads.model import NodeState, ObservedNode, ObservedWorkload, WorkloadState


def workload(kind: str, node_id: str, **other: Any) -> ObservedWorkload:
    """A workload that serves."""
    base = ObservedWorkload(
        id=f"wl_{kind}_{node_id}",
        name=f"{kind}/{node_id}",
        kind=kind,
        node_id=node_id,
        generation=1,
        state=WorkloadState.READY,
        reported=True,
    )
    return replace(base, **other)


def relay(role: str, node_id: str, **metrics: Any) -> ObservedWorkload:
    """An origin or an edge."""
    return workload(
        "relay",
        node_id,
        name=f"relay.{role}/{node_id}",
        spec={"role": role},
        ready={"url": f"https://{node_id}.test:4443", "certificate_sha256": ["ab" * 32]},
        metrics=metrics,
    )


def delivery(node_id: str, load: float = 0.0, **metrics: Any) -> ObservedWorkload:
    """Delivery over HTTP at an edge."""
    return workload(
        "live.delivery", node_id, ready={"url": f"http://{node_id}.test:4445"}, metrics={"load": load, **metrics}
    )


def station(
    node_id: str, publishing: Sequence[str] = (), carries: Sequence[str] = (), codec: str = "avc3.64001f"
) -> ObservedWorkload:
    """A station with publishers that all send 720p."""
    picture = {
        "codec": codec,
        "width": 1280,
        "height": 720,
        "fps": 30.0,
        "bitrate_bps": 4_000_000,
        "audio": "aac",
    }
    return workload(
        "live.station",
        node_id,
        spec={"channels": [{"channel_id": c, "input": "main"} for c in (*publishing, *carries)]},
        ready={"rtmp_port": 1935},
        metrics={"inputs": {f"{channel_id}/main": picture for channel_id in publishing}},
    )


def transcoder(channel_id: str, node_id: str, fps: float = 30.0) -> ObservedWorkload:
    """A channel's transcoder."""
    return workload(
        "live.transcoder",
        node_id,
        id=f"wl_transcoder_{channel_id}",
        name=f"live.transcoder/{channel_id}",
        spec={"channel_id": channel_id},
        metrics={"renditions": [{"name": "480p", "bitrate_bps": 1_400_000, "fps": fps}], "delay_ms": 12.5},
    )


def node(node_id: str, role: Any, *workloads: ObservedWorkload, state: NodeState = NodeState.ALIVE) -> ObservedNode:
    """A node of a site of its own."""
    return ObservedNode(
        id=node_id,
        name=node_id,
        site_id=f"st_{node_id}",
        site_slug=f"site-{node_id}",
        region="eu",
        role=role,
        state=state,
        draining=False,
        address="127.0.0.1",
        cores=4,
        memory_bytes=8 << 30,
        workloads=workloads,
    )


@dataclass
class HandCloud:
    """Shows what it is given, remembers what it was asked for. Ranks edges and queues events like the real one."""

    nodes: tuple[ObservedNode, ...] = ()
    plans: int = 0
    killed: list[str] = field(default_factory=list)
    told: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    events: WorkloadEvents = field(default_factory=lambda: WorkloadEvents("live.station"))

    @property
    def observed(self) -> ObservedState:
        return ObservedState(self.nodes)

    def kick(self) -> None:
        self.plans += 1

    def edges_for(self, viewer: Viewer, *, limit: int = 4) -> list[RankedEdge]:
        ranked = HealthyNearSpread().rank(viewer, candidates(self.observed, viewer.space), limit=limit)
        if not ranked:
            raise NoEdge
        return ranked

    async def kill(self, workload_id: str) -> ObservedWorkload:
        self.killed.append(workload_id)
        killed = self.observed.workload_by_id(workload_id)
        assert killed is not None
        return killed

    async def tell(self, workload_id: str, command: Mapping[str, Any]) -> None:
        self.told.append((workload_id, command))

    def listening(self, kind: str) -> AbstractContextManager[WorkloadEvents]:
        if kind != self.events.kind:
            return nullcontext(WorkloadEvents(kind))
        return nullcontext(self.events)

    def add_total(self, name: str, total: Callable[[ObservedState], float]) -> None:
        assert name == "channels_live"


def small_cloud(*core: ObservedWorkload, viewers_by_space: dict[str, int] | None = None) -> tuple[ObservedNode, ...]:
    """One core node and two edges; the second edge has the viewers."""
    return (
        node("n1", "core", relay("origin", "n1"), *core),
        node("e1", "edge", relay("edge", "e1")),
        node("e2", "edge", relay("edge", "e2", viewers_by_space=viewers_by_space or {})),
    )
