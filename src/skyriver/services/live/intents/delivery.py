"""Delivery over HTTP: one process on each edge node, beside the node's relay and filled through it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from skyriver.platform.workloads.model import ObservedNode, ObservedState, WorkloadIntent, endpoint_of
from skyriver.platform.workloads.relays import bind_host
from skyriver.services.live.delivery.addresses import AddressLimits

DELIVERY = "live.delivery"
NO_MORE_THAN = AddressLimits()
_ALL_SPACES = "live"
"""Of viewers' spaces (see `model.space_of`): which channel its next viewer wants, an edge cannot know."""
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
_DELIVERY_CORES = 0.1
_DELIVERY_BYTES = 256 * 1024 * 1024


def delivery_name(node_id: str) -> str:
    return f"{DELIVERY}/{node_id}"


def delivery_intents(
    observed: ObservedState, store_url: str = "", limits: AddressLimits = NO_MORE_THAN
) -> list[WorkloadIntent]:
    """All of them. They are pinned, as relays are: viewers of a dead node go to the next one."""
    return [
        _delivery(node, observed, store_url, limits)
        for node in sorted(observed.nodes, key=lambda n: n.id)
        if node.role == "edge"
    ]


def reaches_store(node: ObservedNode, store_url: str) -> bool:
    """Whether this node can read recordings: S3 from anywhere, a folder on the machine that all of the cloud is on."""
    return not store_url.startswith("file:") or node.address in _THIS_MACHINE


def _delivery(node: ObservedNode, observed: ObservedState, store_url: str, limits: AddressLimits) -> WorkloadIntent:
    name = delivery_name(node.id)
    relays = [w for w in node.workloads if w.kind == "relay" and w.spec.get("role") == "edge" and w.ready.get("url")]
    spec: dict[str, Any] = {
        "host": bind_host(node),
        "advertise_host": node.address,
        "relays": [endpoint_of(relay).spec() for relay in sorted(relays, key=lambda w: w.name)],
        "origins": [origin.spec() for origin in observed.origins()],
        "grant": observed.service_grant(name, _ALL_SPACES, put=(), get=("",)),
        "store": store_url if reaches_store(node, store_url) else "",
        "address_limits": asdict(limits),
    }
    return WorkloadIntent(
        name,
        DELIVERY,
        spec,
        site_role="edge",
        node_id=node.id,
        cpu_cores=_DELIVERY_CORES,
        memory_bytes=_DELIVERY_BYTES,
        wants_port=True,
    )
