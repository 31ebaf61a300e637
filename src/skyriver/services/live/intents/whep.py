"""WHEP: one process on each core node, for the few players that speak WebRTC and nothing else."""

from __future__ import annotations

from typing import Any

from skyriver.platform.workloads.model import ObservedNode, ObservedState, WorkloadIntent
from skyriver.platform.workloads.relays import bind_host
from skyriver.services.live.intents.homes import core_nodes

WHEP = "live.whep"
_ALL_SPACES = "live"
"""Of viewers' spaces (see `model.space_of`): which channel the next viewer wants, nobody can know."""
_WHEP_CORES = 0.05


def whep_name(node_id: str) -> str:
    return f"{WHEP}/{node_id}"


def whep_intents(observed: ObservedState) -> list[WorkloadIntent]:
    """All of them."""
    return [_whep(node, observed) for node in core_nodes(observed)]


def whep_url(channel_id: str, observed: ObservedState) -> str | None:
    """Where to watch a channel by WHEP; None while no process serves."""
    for node in core_nodes(observed):
        whep = observed.workload(whep_name(node.id))
        if whep is not None and whep.serving and whep.ready.get("url") and whep.metric("load") < 1.0:
            return f"{whep.ready['url']}/whep/{channel_id}"
    return None


def _whep(node: ObservedNode, observed: ObservedState) -> WorkloadIntent:
    name = whep_name(node.id)
    spec: dict[str, Any] = {
        "host": bind_host(node),
        "advertise_host": node.address,
        "origins": [origin.spec() for origin in observed.origins(node.id)],
        "grant": observed.service_grant(name, _ALL_SPACES, put=(), get=("",)),
    }
    return WorkloadIntent(name, WHEP, spec, site_role="core", node_id=node.id, cpu_cores=_WHEP_CORES, wants_port=True)
