"""Where work and viewers go: the two interfaces, and the values they speak. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from skyriver.platform.workloads.model import ObservedNode, WorkloadIntent


@dataclass(frozen=True)
class NodeLoad:
    """A candidate for work: the node, and what is already promised on it."""

    node: ObservedNode
    promised_cores: float
    promised_bytes: int
    intents: tuple[str, ...]
    """Names of the intents it holds."""


@dataclass(frozen=True)
class Choice:
    """The decision and its reason, or the reason why there is none (`node_id` None)."""

    node_id: str | None
    reason: str


class Placement(Protocol):
    """Chooses a node for one intent. Deterministic: the same arguments give the same choice."""

    def place(self, intent: WorkloadIntent, candidates: Sequence[NodeLoad]) -> Choice:
        """A node among `candidates`, or none with the reason in the operator's terms."""
        ...


@dataclass(frozen=True)
class Viewer:
    """Who wants to watch. `key` is stable for one viewer (session, user or address), never shown to anybody."""

    key: str
    space: str
    region: str | None = None
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True)
class EdgeCandidate:
    """One edge relay and how it is. Ratios are of the relay's own admission limits: 1.0 refuses."""

    workload_id: str
    node_id: str
    site_id: str
    site_slug: str
    region: str
    url: str
    certificate_sha256: tuple[str, ...]
    serving: bool
    suspect: bool
    draining: bool
    load: float
    viewers: int = 0
    holds_space: bool = False
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True)
class RankedEdge:
    """One line of a viewer's list. `rank` 0 is tried first; `reason` says why it stands here."""

    edge: EdgeCandidate
    rank: int
    reason: str

    def ticket(self) -> dict[str, Any]:
        """As a watch ticket carries it."""
        return {
            "node_id": self.edge.node_id,
            "site": self.edge.site_slug,
            "region": self.edge.region,
            "url": self.edge.url,
            "certificate_sha256": list(self.edge.certificate_sha256),
            "rank": self.rank,
            "reason": self.reason,
        }


class EdgeRanking(Protocol):
    """Orders edges for one viewer. Deterministic, and pure: the whole list is a function of its arguments."""

    def rank(self, viewer: Viewer, edges: Sequence[EdgeCandidate], *, limit: int = 4) -> list[RankedEdge]:
        """The edges to try, best first; empty when no edge can serve."""
        ...
