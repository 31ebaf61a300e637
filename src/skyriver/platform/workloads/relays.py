"""What the platform itself wants to run: relays. Two origins on every core node, one relay on every edge node."""

from __future__ import annotations

from typing import Any

from skyriver.platform.workloads.model import ObservedNode, ObservedState, WorkloadIntent

RELAY = "relay"
ORIGINS_PER_NODE = 2  # publishers feed all of them at once, so that one may die without a gap
# Measured: a relay process uses one core and collapses above it; at 65 % the tail latency is still flat. Sessions cost
# little while nothing is sent to them: their limit only bounds memory.
ADMISSION: dict[str, Any] = {"max_egress_bps": 200_000_000, "max_sessions": 2000, "max_cpu": 0.65}
_RELAY_CORES = 0.25
_RELAY_BYTES = 192 * 1024 * 1024


def relay_intents(observed: ObservedState) -> list[WorkloadIntent]:
    """All relays. They are pinned: a dead node's relay is no use elsewhere, viewers go to the next edge instead."""
    intents = []
    for node in sorted(observed.nodes, key=lambda node: node.id):
        if node.role == "core":
            intents += [_relay(node, f"relay/origin/{node.id}/{n}", _origin(node)) for n in range(ORIGINS_PER_NODE)]
        else:
            name = f"relay/edge/{node.id}"
            intents.append(_relay(node, name, _edge(node, name, observed)))
    return intents


def _relay(node: ObservedNode, name: str, spec: dict[str, Any]) -> WorkloadIntent:
    return WorkloadIntent(
        name,
        RELAY,
        spec,
        site_role=node.role,
        node_id=node.id,
        cpu_cores=_RELAY_CORES,
        memory_bytes=_RELAY_BYTES,
        wants_port=True,
    )


def _origin(node: ObservedNode) -> dict[str, Any]:
    return {"role": "origin", "host": bind_host(node), "advertise_host": node.address, "admission": ADMISSION}


def _edge(node: ObservedNode, name: str, observed: ObservedState) -> dict[str, Any]:
    origins = observed.origins()
    # Each edge begins its list elsewhere, or one origin would carry all edges until it dies.
    shift = sum(node.id.encode()) % len(origins) if origins else 0
    return {
        "role": "edge",
        "host": bind_host(node),
        "advertise_host": node.address,
        "admission": ADMISSION,
        "upstreams": [origin.spec() for origin in (*origins[shift:], *origins[:shift])],
        # The empty root is moq-relay's way to say "any space"; only grants of the cluster may have it.
        "upstream_grant": observed.service_grant(name, "", put=(), get=("",)),
    }


def bind_host(node: ObservedNode) -> str:
    """What a server on this node listens on. Loopback stays loopback; any other address may be translated on the way,
    so it listens on all."""
    if node.address in ("127.0.0.1", "::1"):
        return node.address
    return "::" if ":" in node.address else "0.0.0.0"
