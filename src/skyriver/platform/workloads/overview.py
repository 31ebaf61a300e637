"""The cluster at a glance: sites, their nodes, what runs there, and sums. Published to operators once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from skyriver.platform.web.events import EventHub
from skyriver.platform.workloads.model import NodeState, ObservedNode, ObservedState, ObservedWorkload
from skyriver.platform.workloads.view import ClusterView

Total = Callable[[ObservedState], float]
PUBLISH_EVERY_S = 1.0


def overview_of(view: ClusterView, totals: Mapping[str, Total]) -> dict[str, Any]:
    """`{"sites": [...], "totals": {...}}`; services add totals of their own."""
    observed = view.observed
    by_site: dict[str, list[ObservedNode]] = {}
    for node in observed.nodes:
        by_site.setdefault(node.site_id, []).append(node)
    sites = [
        {
            "id": site.id,
            "slug": site.slug,
            "name": site.name,
            "region": site.region,
            "latitude": site.latitude,
            "longitude": site.longitude,
            "role": site.role,
            "nodes": [node_line(node) for node in by_site.get(site.id, [])],
        }
        for site in view.rows.sites
    ]
    edges = [w for w in observed.relays("edge") if _node_lives(observed, w)]
    origins = [w for w in observed.relays("origin") if _node_lives(observed, w)]
    sums = {
        "viewers": sum(int(w.metric("viewers")) for w in edges),
        "egress_bps": sum(w.metric("egress_bps") for w in edges),
        # Publishers feed every origin with the same bytes: what comes into the cloud is what one of them receives.
        "ingress_bps": max((w.metric("ingress_bps") for w in origins), default=0.0),
    }
    return {"sites": sites, "totals": sums | {name: total(observed) for name, total in totals.items()}}


def node_line(node: ObservedNode) -> dict[str, Any]:
    """One node with its workloads; a silent node's numbers are zero, not the last ones it sent."""
    lives = node.state in (NodeState.ALIVE, NodeState.SUSPECT)
    edges = [w for w in node.workloads if w.kind == "relay" and w.spec.get("role") == "edge"] if lives else []
    return {
        "id": node.id,
        "name": node.name,
        "site_id": node.site_id,
        "site": node.site_slug,
        "role": node.role,
        "region": node.region,
        "state": node.shown_state,
        "draining": node.draining,
        "address": node.address,
        "cores": node.cores,
        "memory_total_bytes": node.memory_bytes,
        "cpu": node.cpu if lives else 0.0,
        "memory_bytes": node.memory_used_bytes if lives else 0,
        "viewers": sum(int(w.metric("viewers")) for w in edges),
        "egress_bps": sum(w.metric("egress_bps") for w in edges),
        "workloads": [workload_line(w, lives=lives) for w in node.workloads],
    }


def workload_line(workload: ObservedWorkload, *, lives: bool = True) -> dict[str, Any]:
    """One workload; `lives`: whether its node can be heard."""
    reported = workload.reported and lives
    return {
        "id": workload.id,
        "kind": workload.kind,
        "name": workload.name,
        "node_id": workload.node_id,
        "tenant_id": workload.tenant_id,
        "space": workload.space,
        "generation": workload.generation,
        "state": workload.state.value if reported else "unknown",
        "pid": workload.pid if reported else None,
        "restarts": workload.restarts,
        "cpu": workload.metric("cpu") if reported else 0.0,
        "memory_bytes": int(workload.metric("memory_bytes")) if reported else 0,
        "viewers": int(workload.metric("viewers")) if reported else 0,
        "egress_bps": workload.metric("egress_bps") if reported else 0.0,
    }


def _node_lives(observed: ObservedState, workload: ObservedWorkload) -> bool:
    node = observed.node(workload.node_id)
    return node is not None and node.state in (NodeState.ALIVE, NodeState.SUSPECT)


class OverviewPublisher:
    """Publishes the overview to the operators who read events; costs nothing while nobody does."""

    def __init__(self, view: ClusterView, hub: EventHub, totals: Mapping[str, Total]) -> None:
        self._view = view
        self._hub = hub
        self._totals = totals

    async def run(self) -> None:
        while True:
            await asyncio.sleep(PUBLISH_EVERY_S)
            if len(self._hub):
                self._hub.publish("overview", overview_of(self._view, self._totals))
