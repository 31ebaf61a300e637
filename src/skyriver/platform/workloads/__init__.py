"""Workloads: what should run (intents), where (assignments), and what is seen of it (observed state)."""

from skyriver.platform.workloads.model import (
    Assignment,
    NodeState,
    ObservedNode,
    ObservedState,
    ObservedWorkload,
    RelayEndpoint,
    WorkloadIntent,
    WorkloadState,
    endpoint_of,
)

__all__ = [
    "Assignment",
    "NodeState",
    "ObservedNode",
    "ObservedState",
    "ObservedWorkload",
    "RelayEndpoint",
    "WorkloadIntent",
    "WorkloadState",
    "endpoint_of",
]
