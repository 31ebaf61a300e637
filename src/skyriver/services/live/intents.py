"""What should run for live channels: rows and what is observed -> workload intents. The planner places them.

`plan_live` is a function of its arguments, so that the same moment always gives the same plan and a spec changes
only when something in it really did: a changed spec is a command to a running process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.workloads.model import NodeState, ObservedNode, ObservedState, WorkloadIntent
from skyriver.services.live.model import (
    BROADCAST,
    PROFILES,
    SOURCE_BROADCAST,
    Profile,
    ProfileName,
    Takeover,
    home_of,
    ingest_space_of,
    is_wanted,
    space_of,
)
from skyriver.services.live.records import ChannelRecord, FeederRecord, InputRecord, StreamKeyRecord

STATION = "live.station"
TRANSCODER = "live.transcoder"
FEEDER = "live.feeder"

FeederKeyReader = Callable[[str], str | None]
"""Channel id -> the feeder's clear stream key, None where this process does not have it."""

DEFAULT_RTMP_PORT = 1935  # IANA's port for macromedia-fcs, which every encoder assumes

# Measured: cores while running on 720p30 input; they are for packing, admission on the node has the last word.
_TRANSCODER_CORES = {
    ProfileName.STANDARD: 0.45,
    ProfileName.LIGHT: 0.25,
    ProfileName.HIGH: 0.7,
    ProfileName.SOURCE: 0.1,
}
_STATION_CORES = 0.1
_FEEDER_CORES = 0.2


@dataclass(frozen=True)
class ChannelPlan:
    """What planning needs to know of one channel; `records` makes it from rows."""

    channel_id: str
    tenant_id: str
    takeover: Takeover
    profile: ProfileName
    key_sha256: tuple[str, ...]
    input_since: datetime | None = None
    input_ended_at: datetime | None = None
    input_node_id: str | None = None
    feeder: FeederPlan | None = None

    @property
    def publisher_node_id(self) -> str | None:
        """The node where its publisher is now."""
        return self.input_node_id if self.input_since is not None and self.input_ended_at is None else None

    def wants_transcoder(self, now: datetime) -> bool:
        return is_wanted(self.input_since, self.input_ended_at, now)


@dataclass(frozen=True)
class FeederPlan:
    """A generated moving picture that is pushed through the real door; the demo channel has one."""

    key: str = field(repr=False)  # in the clear: the feeder sends it
    width: int
    height: int
    fps: int


def plan_live(
    channels: Sequence[ChannelPlan], observed: ObservedState, *, now: datetime, rtmp_port: int = DEFAULT_RTMP_PORT
) -> list[WorkloadIntent]:
    """All intents of the service: a station on each core node, transcoders and feeders where they are wanted."""
    homes = {c.channel_id: home_node(c.channel_id, observed, input_node_id=c.publisher_node_id) for c in channels}
    intents = []
    for node in core_nodes(observed):
        carried = [c for c in channels if (home := homes[c.channel_id]) is not None and home.id == node.id]
        intents.append(_station(node, carried, observed, rtmp_port))
    for channel in channels:
        if channel.wants_transcoder(now):
            intents.append(_transcoder(channel, observed))
        home = homes[channel.channel_id]
        if channel.feeder is not None and home is not None:
            intents.append(_feeder(channel, channel.feeder, home, observed, rtmp_port))
    return intents


async def read_plans(session: AsyncSession, feeder_key: FeederKeyReader) -> list[ChannelPlan]:
    """Every channel, as planning needs it; a feeder whose key this process does not have is left out."""
    keys: dict[str, list[str]] = {}
    for channel_id, digest in await session.execute(select(StreamKeyRecord.channel_id, StreamKeyRecord.secret_sha256)):
        keys.setdefault(channel_id, []).append(digest)
    inputs = {row.channel_id: row for row in (await session.scalars(select(InputRecord))).all()}
    feeders = {
        row.channel_id: FeederPlan(key, row.width, row.height, row.fps)
        for row in (await session.scalars(select(FeederRecord))).all()
        if (key := feeder_key(row.channel_id)) is not None
    }
    channels = (await session.scalars(select(ChannelRecord).order_by(ChannelRecord.id))).all()
    return [
        ChannelPlan(
            channel_id=channel.id,
            tenant_id=channel.tenant_id,
            takeover=Takeover(channel.takeover),
            profile=ProfileName(channel.profile),
            key_sha256=tuple(sorted(keys.get(channel.id, ()))),
            input_since=seen.since if (seen := inputs.get(channel.id)) else None,
            input_ended_at=seen.ended_at if seen else None,
            input_node_id=seen.node_id if seen else None,
            feeder=feeders.get(channel.id),
        )
        for channel in channels
    ]


def core_nodes(observed: ObservedState) -> list[ObservedNode]:
    return sorted((node for node in observed.nodes if node.role == "core"), key=lambda node: node.id)


def home_node(channel_id: str, observed: ObservedState, *, input_node_id: str | None = None) -> ObservedNode | None:
    """Where the channel's publisher is to come: where it is now, else its hashed home among the usable core nodes.

    Nodes that are draining or dead come into question only when there is no other: a list that is empty would take the
    keys away from every station, and a publisher that runs there does not care what we think of its node.

    Args:
        input_node_id: where its publisher is now, if it has one.
    """
    nodes = core_nodes(observed)
    present = [node for node in nodes if node.state is not NodeState.DEAD] or nodes
    for node in present:
        if node.id == input_node_id:
            return node
    usable = [node for node in present if not node.draining] or present
    home_id = home_of(channel_id, [node.id for node in usable])
    return next((node for node in usable if node.id == home_id), None)


def rtmp_url(node: ObservedNode, observed: ObservedState, rtmp_port: int = DEFAULT_RTMP_PORT) -> str:
    """What a publisher pastes into its encoder as the server."""
    station = observed.workload(station_name(node.id))
    port = station.ready.get("rtmp_port", rtmp_port) if station else rtmp_port
    host = f"[{node.address}]" if ":" in node.address else node.address
    return f"rtmp://{host}:{port}/live"


def station_name(node_id: str) -> str:
    return f"{STATION}/{node_id}"


def transcoder_name(channel_id: str) -> str:
    return f"{TRANSCODER}/{channel_id}"


def feeder_name(channel_id: str) -> str:
    return f"{FEEDER}/{channel_id}"


def _station(
    node: ObservedNode, carried: Iterable[ChannelPlan], observed: ObservedState, rtmp_port: int
) -> WorkloadIntent:
    name = station_name(node.id)
    channels = [
        {
            "channel_id": channel.channel_id,
            "tenant_id": channel.tenant_id,
            "space": ingest_space_of(channel.channel_id),
            "key_sha256": sorted(channel.key_sha256),
            "takeover": channel.takeover.value,
            "grant": _ingest_grant(observed, name, channel, put=(SOURCE_BROADCAST,)),
        }
        for channel in sorted(carried, key=lambda c: c.channel_id)
    ]
    spec: dict[str, Any] = {
        "host": node.address,
        "rtmp_port": rtmp_port,
        "origins": [origin.spec() for origin in observed.origins(node.id)],
        "channels": channels,
    }
    return WorkloadIntent(name, STATION, spec, site_role="core", node_id=node.id, cpu_cores=_STATION_CORES)


def _transcoder(channel: ChannelPlan, observed: ObservedState) -> WorkloadIntent:
    name = transcoder_name(channel.channel_id)
    spec = {
        "channel_id": channel.channel_id,
        "tenant_id": channel.tenant_id,
        "space": space_of(channel.channel_id),
        "origins": [origin.spec() for origin in observed.origins(channel.input_node_id)],
        "grant": observed.service_grant(
            name, space_of(channel.channel_id), tenant_id=channel.tenant_id, put=(BROADCAST,), get=()
        ),
        "ingest": {
            "space": ingest_space_of(channel.channel_id),
            "grant": _ingest_grant(observed, name, channel, get=("",)),
        },
        "profile": profile_spec(PROFILES[channel.profile]),
    }
    return WorkloadIntent(
        name,
        TRANSCODER,
        spec,
        tenant_id=channel.tenant_id,
        space=space_of(channel.channel_id),
        site_role="core",
        cpu_cores=_TRANSCODER_CORES[channel.profile],
    )


def _feeder(
    channel: ChannelPlan, feeder: FeederPlan, home: ObservedNode, observed: ObservedState, rtmp_port: int
) -> WorkloadIntent:
    spec = {"rtmp_url": rtmp_url(home, observed, rtmp_port), **asdict(feeder)}
    return WorkloadIntent(
        feeder_name(channel.channel_id),
        FEEDER,
        spec,
        tenant_id=channel.tenant_id,
        site_role="core",
        node_id=home.id,
        cpu_cores=_FEEDER_CORES,
    )


def profile_spec(profile: Profile) -> dict[str, Any]:
    """A profile as the transcoder is told it."""
    return {
        "renditions": [asdict(rendition) for rendition in profile.renditions],
        "audio": [asdict(audio) for audio in profile.audio],
    }


def _ingest_grant(
    observed: ObservedState,
    workload: str,
    channel: ChannelPlan,
    *,
    put: tuple[str, ...] = (),
    get: tuple[str, ...] = (),
) -> str:
    return observed.service_grant(
        workload, ingest_space_of(channel.channel_id), tenant_id=channel.tenant_id, put=put, get=get
    )
