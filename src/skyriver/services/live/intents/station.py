"""A station on each core node, with the inputs of channels that are at home there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from skyriver.kernel.networks import host_in_url
from skyriver.platform.workloads.model import ObservedNode, ObservedState, WorkloadIntent
from skyriver.services.live.intents.channel_plan import ChannelPlan
from skyriver.services.live.intents.grants import ingest_grant
from skyriver.services.live.intents.homes import neighbour_index
from skyriver.services.live.model import InputName, ingest_space_of

STATION = "live.station"
PORTS_BETWEEN_NEIGHBOURS = 10  # room for every door of a station
_STATION_CORES = 0.1  # measured; for packing, admission on the node has the last word


@dataclass(frozen=True)
class Doors:
    """The ports of every station; 0: any free one."""

    rtmp_port: int = 1935  # IANA's port for macromedia-fcs, which every encoder assumes
    rtmps_port: int = 1936
    srt_port: int = 8890
    srt_latency_ms: int = 120
    whip_port: int = 8891  # TCP for signalling, and UDP for media


@dataclass(frozen=True)
class IngestUrls:
    """Where an encoder pushes to, without its key. None: that door is shut on this node."""

    rtmp: str
    rtmps: str | None
    srt: str | None
    whip: str | None


def station_name(node_id: str) -> str:
    return f"{STATION}/{node_id}"


def ingest_urls(node: ObservedNode, observed: ObservedState, doors: Doors) -> IngestUrls:
    """What a publisher pastes into its encoder as the server.

    The ports are what the station says that it has; what is meant, while it has not said anything yet.
    """
    station = observed.workload(station_name(node.id))
    ready = station.ready if station else {}
    meant = {"rtmp_port": port_on(node, observed, doors.rtmp_port)}
    if "rtmp_port" not in ready:
        meant["rtmps_port"] = port_on(node, observed, doors.rtmps_port)
        meant["srt_port"] = port_on(node, observed, doors.srt_port)
        meant["whip_port"] = port_on(node, observed, doors.whip_port)
    names = ("rtmp_port", "rtmps_port", "srt_port", "whip_port", "whips_port")
    rtmp, rtmps, srt, whip, whips = (ready.get(name) or meant.get(name) for name in names)
    host = host_in_url(node.address)
    return IngestUrls(
        rtmp=f"rtmp://{host}:{rtmp}/live",
        rtmps=f"rtmps://{host}:{rtmps}/live" if rtmps else None,
        srt=f"srt://{host}:{srt}" if srt else None,
        whip=f"http://{host}:{whip}/whip" if whip else f"https://{host}:{whips}/whip" if whips else None,
    )


def rtmp_url(node: ObservedNode, observed: ObservedState, doors: Doors) -> str:
    """The address of the RTMP door, which every station has."""
    return ingest_urls(node, observed, doors).rtmp


def port_on(node: ObservedNode, observed: ObservedState, port: int) -> int:
    """The port of a door on `node`: the configured one, moved up where another core node has the same address."""
    return port + neighbour_index(node, observed) * PORTS_BETWEEN_NEIGHBOURS if port else 0


def _contributions(observed: ObservedState, station: str, channel: ChannelPlan, name: InputName) -> dict[str, Any]:
    """Browsers that may publish to the input, and the right to read them; nothing where there are none."""
    tickets = [{"ticket_id": ticket_id, "input": input_name} for ticket_id, input_name in channel.tickets]
    tickets = [ticket for ticket in tickets if ticket["input"] == name]
    if not tickets:
        return {}
    return {
        "tickets": tickets,
        "contributions_grant": ingest_grant(observed, station, channel, get=("",)),
    }


def station_intent(
    node: ObservedNode, carried: Iterable[tuple[ChannelPlan, InputName]], observed: ObservedState, doors: Doors
) -> WorkloadIntent:
    """The station of `node`, with the inputs that are at home there."""
    name = station_name(node.id)
    channels = [
        {
            "channel_id": channel.channel_id,
            "input": input_name.value,
            "tenant_id": channel.tenant_id,
            "space": ingest_space_of(channel.channel_id),
            "key_sha256": sorted(channel.inputs[input_name].key_sha256),
            "srt_passphrases": dict(channel.inputs[input_name].srt_passphrases),
            "takeover": channel.takeover.value,
            "max_bitrate_bps": channel.max_bitrate_bps,
            "grant": ingest_grant(observed, name, channel, put=(input_name.value,)),
            **_contributions(observed, name, channel, input_name),
        }
        for channel, input_name in sorted(carried, key=lambda c: (c[0].channel_id, c[1]))
    ]
    spec: dict[str, Any] = {
        "host": node.address,
        "rtmp_port": port_on(node, observed, doors.rtmp_port),
        "doors": {
            "rtmps_port": port_on(node, observed, doors.rtmps_port),
            "srt_port": port_on(node, observed, doors.srt_port),
            "srt_latency_ms": doors.srt_latency_ms,
            "whip_port": port_on(node, observed, doors.whip_port),
        },
        "origins": [origin.spec() for origin in observed.origins(node.id)],
        "channels": channels,
    }
    return WorkloadIntent(name, STATION, spec, site_role="core", node_id=node.id, cpu_cores=_STATION_CORES)
