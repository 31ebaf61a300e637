"""Dispatch decides where viewers and workloads go."""

from skyriver.platform.dispatch.edges import HealthyNearSpread, candidates, relay_load
from skyriver.platform.dispatch.model import (
    Choice,
    EdgeCandidate,
    EdgeRanking,
    NodeLoad,
    Placement,
    RankedEdge,
    Viewer,
)
from skyriver.platform.dispatch.nodes import CapacityHealthSpread

__all__ = [
    "CapacityHealthSpread",
    "Choice",
    "EdgeCandidate",
    "EdgeRanking",
    "HealthyNearSpread",
    "NodeLoad",
    "Placement",
    "RankedEdge",
    "Viewer",
    "candidates",
    "relay_load",
]
