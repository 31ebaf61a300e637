"""All intents of the service in one pure function."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from skyriver.platform.workloads.model import ObservedState, WorkloadIntent
from skyriver.services.live.intents.channel_plan import ChannelPlan
from skyriver.services.live.intents.feeder import feeder_intent
from skyriver.services.live.intents.homes import core_nodes, home_node
from skyriver.services.live.intents.station import DEFAULT_RTMP_PORT, station_intent
from skyriver.services.live.intents.transcoder import transcoder_intents


def plan_live(
    channels: Sequence[ChannelPlan], observed: ObservedState, *, now: datetime, rtmp_port: int = DEFAULT_RTMP_PORT
) -> list[WorkloadIntent]:
    """All intents of the service: a station on each core node, transcoders and feeders where they are wanted."""
    homes = {c.channel_id: home_node(c.channel_id, observed, input_node_id=c.publisher_node_id) for c in channels}
    intents = []
    for node in core_nodes(observed):
        carried = [c for c in channels if (home := homes[c.channel_id]) is not None and home.id == node.id]
        intents.append(station_intent(node, carried, observed, rtmp_port))
    for channel in channels:
        if channel.wants_transcoder(now):
            intents += transcoder_intents(channel, observed)
        home = homes[channel.channel_id]
        if channel.feeder is not None and home is not None:
            intents.append(feeder_intent(channel, channel.feeder, home, observed, rtmp_port))
    return intents
