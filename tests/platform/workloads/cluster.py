"""Builders for nodes and intents in tests."""

from __future__ import annotations

from typing import Any

from skyriver.platform.workloads import NodeState, ObservedNode, WorkloadIntent


def node(node_id: str, *, role: Any = "core", state: NodeState = NodeState.ALIVE, **other: Any) -> ObservedNode:
    defaults: dict[str, Any] = {
        "name": node_id,
        "site_id": "site_1",
        "site_slug": "one",
        "region": "eu",
        "draining": False,
        "address": "127.0.0.1",
        "cores": 4.0,
        "memory_bytes": 8 << 30,
        "ports": (4443, 4458),
    }
    return ObservedNode(id=node_id, role=role, state=state, **{**defaults, **other})


def intent(name: str, **other: Any) -> WorkloadIntent:
    return WorkloadIntent(name, other.pop("kind", "probe"), other.pop("spec", {}), **other)
