"""A feeder beside the station of each channel that is fed a generated picture."""

from __future__ import annotations

from dataclasses import asdict

from skyriver.platform.workloads.model import ObservedNode, ObservedState, WorkloadIntent
from skyriver.services.live.intents.channel_plan import ChannelPlan, FeederPlan
from skyriver.services.live.intents.station import Doors, rtmp_url

FEEDER = "live.feeder"
_FEEDER_CORES = 0.2


def feeder_name(channel_id: str) -> str:
    return f"{FEEDER}/{channel_id}"


def feeder_intent(
    channel: ChannelPlan, feeder: FeederPlan, home: ObservedNode, observed: ObservedState, doors: Doors
) -> WorkloadIntent:
    """The channel's feeder, on its home node."""
    spec = {"rtmp_url": rtmp_url(home, observed, doors), **asdict(feeder)}
    return WorkloadIntent(
        feeder_name(channel.channel_id),
        FEEDER,
        spec,
        tenant_id=channel.tenant_id,
        site_role="core",
        node_id=home.id,
        cpu_cores=_FEEDER_CORES,
    )
