"""The first placement of work: capacity, health, spread."""

from __future__ import annotations

from collections.abc import Sequence

from skyriver.platform.dispatch.model import Choice, NodeLoad
from skyriver.platform.workloads.model import WorkloadIntent

CPU_OVERCOMMIT = 2.0
"""Intents state their peak; live work peaks at different times. Memory is never overcommitted."""

BUSY_SHARE = 0.9
"""A node that measures more than this of its cores in use takes nothing more: every stream on it would suffer."""

OWN_SHARE = 0.5
"""...if at least this much of its cores was promised to work of ours. What a desktop does beside us is not our load."""


class CapacityHealthSpread:
    """The living node with room on which the least is promised, away from what the intent must be apart from.

    `apart_from` is a rule while another site or node has room, and a wish when there is none: a standby beside its
    primary still survives the primary's crash, one on another node of the site survives the node's. Ties are broken
    by node id, so that the choice is deterministic.
    """

    def __init__(self, cpu_overcommit: float = CPU_OVERCOMMIT) -> None:
        self._cpu_overcommit = cpu_overcommit

    def place(self, intent: WorkloadIntent, candidates: Sequence[NodeLoad]) -> Choice:
        healthy = [c for c in candidates if c.node.takes_work]
        fitting_role = [c for c in healthy if intent.site_role is None or c.node.role == intent.site_role]
        if not fitting_role:
            where = f"{intent.site_role} " if intent.site_role else ""
            return Choice(None, f"no living {where}node takes work")
        calm = [c for c in fitting_role if not _is_overloaded(c)]
        if not calm:
            return Choice(None, f"all {len(fitting_role)} nodes are overloaded; add a node, or stop something")
        with_room = [c for c in calm if self._has_room(intent, c)]
        if not with_room:
            return Choice(
                None,
                f"none of {len(calm)} nodes has {intent.cpu_cores:g} cores and "
                f"{intent.memory_bytes // 2**20} MiB to spare",
            )
        crowded_sites = {c.node.site_id for c in candidates if _shares_node(intent, c)}

        def dislike(c: NodeLoad) -> tuple[bool, bool, float, str]:
            return _shares_node(intent, c), c.node.site_id in crowded_sites, _promised_share(c), c.node.id

        best = min(with_room, key=dislike)
        crowded = _shares_node(intent, best)
        reason = f"{_promised_share(best):.0%} of its cores promised, the least of {len(with_room)} with room"
        return Choice(best.node.id, reason + (", though beside what it should avoid" if crowded else ""))

    def _has_room(self, intent: WorkloadIntent, candidate: NodeLoad) -> bool:
        cores = candidate.node.cores * self._cpu_overcommit
        return (
            candidate.promised_cores + intent.cpu_cores <= cores
            and candidate.promised_bytes + intent.memory_bytes <= candidate.node.memory_bytes
        )


def _is_overloaded(candidate: NodeLoad) -> bool:
    busy = candidate.node.cpu >= candidate.node.cores * BUSY_SHARE
    return busy and candidate.promised_cores >= candidate.node.cores * OWN_SHARE


def _shares_node(intent: WorkloadIntent, candidate: NodeLoad) -> bool:
    return any(name in candidate.intents for name in intent.apart_from)


def _promised_share(candidate: NodeLoad) -> float:
    return candidate.promised_cores / max(candidate.node.cores, 0.1)
