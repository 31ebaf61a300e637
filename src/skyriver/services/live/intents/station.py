"""A station on each core node, with the channels that are at home there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from skyriver.platform.workloads.model import ObservedNode, ObservedState, WorkloadIntent
from skyriver.services.live.intents.channel_plan import ChannelPlan
from skyriver.services.live.intents.grants import ingest_grant
from skyriver.services.live.intents.homes import neighbour_index
from skyriver.services.live.model import SOURCE_BROADCAST, ingest_space_of

STATION = "live.station"
DEFAULT_RTMP_PORT = 1935  # IANA's port for macromedia-fcs, which every encoder assumes
PORTS_BETWEEN_NEIGHBOURS = 10  # room for every door of a station
_STATION_CORES = 0.1  # measured; for packing, admission on the node has the last word


def station_name(node_id: str) -> str:
    return f"{STATION}/{node_id}"


def rtmp_url(node: ObservedNode, observed: ObservedState, rtmp_port: int = DEFAULT_RTMP_PORT) -> str:
    """What a publisher pastes into its encoder as the server."""
    station = observed.workload(station_name(node.id))
    port = station.ready.get("rtmp_port") if station else None
    port = port or port_on(node, observed, rtmp_port)
    host = f"[{node.address}]" if ":" in node.address else node.address
    return f"rtmp://{host}:{port}/live"


def port_on(node: ObservedNode, observed: ObservedState, port: int) -> int:
    """The port of a door on `node`: the configured one, moved up where another core node has the same address."""
    return port + neighbour_index(node, observed) * PORTS_BETWEEN_NEIGHBOURS if port else 0


def station_intent(
    node: ObservedNode, carried: Iterable[ChannelPlan], observed: ObservedState, rtmp_port: int
) -> WorkloadIntent:
    """The station of `node`."""
    name = station_name(node.id)
    channels = [
        {
            "channel_id": channel.channel_id,
            "tenant_id": channel.tenant_id,
            "space": ingest_space_of(channel.channel_id),
            "key_sha256": sorted(channel.key_sha256),
            "takeover": channel.takeover.value,
            "grant": ingest_grant(observed, name, channel, put=(SOURCE_BROADCAST,)),
        }
        for channel in sorted(carried, key=lambda c: c.channel_id)
    ]
    spec: dict[str, Any] = {
        "host": node.address,
        "rtmp_port": port_on(node, observed, rtmp_port),
        "origins": [origin.spec() for origin in observed.origins(node.id)],
        "channels": channels,
    }
    return WorkloadIntent(name, STATION, spec, site_role="core", node_id=node.id, cpu_cores=_STATION_CORES)
