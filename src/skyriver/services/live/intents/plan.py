"""All intents of the service in one pure function."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from skyriver.platform.workloads.model import ObservedNode, ObservedState, WorkloadIntent
from skyriver.services.live.delivery.addresses import AddressLimits
from skyriver.services.live.intents.channel_plan import ChannelPlan
from skyriver.services.live.intents.delivery import NO_MORE_THAN, delivery_intents
from skyriver.services.live.intents.feeder import feeder_intent
from skyriver.services.live.intents.homes import backup_node, core_nodes, home_node
from skyriver.services.live.intents.station import Doors, station_intent
from skyriver.services.live.intents.transcoder import transcoder_intents
from skyriver.services.live.intents.whep import whep_intents
from skyriver.services.live.model import InputName

DOORS = Doors()


def plan_live(
    channels: Sequence[ChannelPlan],
    observed: ObservedState,
    *,
    now: datetime,
    doors: Doors = DOORS,
    store_url: str = "",
    address_limits: AddressLimits = NO_MORE_THAN,
) -> list[WorkloadIntent]:
    """All intents of the service: a station on each core node, transcoders and feeders where they are wanted."""
    homes = {c.channel_id: homes_of(c, observed) for c in channels}
    intents = []
    for node in core_nodes(observed):
        carried = [
            (channel, name)
            for channel in channels
            for name, home in homes[channel.channel_id].items()
            if home is not None and home.id == node.id
        ]
        intents.append(station_intent(node, carried, observed, doors))
    for channel in channels:
        if channel.wants_transcoder(now):
            intents += transcoder_intents(channel, observed, store_url=store_url)
        home = homes[channel.channel_id][InputName.MAIN]
        if channel.feeder is not None and home is not None:
            intents.append(feeder_intent(channel, channel.feeder, home, observed, doors))
    return intents + delivery_intents(observed, store_url, address_limits) + whep_intents(observed)


def homes_of(channel: ChannelPlan, observed: ObservedState) -> dict[InputName, ObservedNode | None]:
    """Where the publisher of each input is to come."""
    main, backup = (channel.inputs[name].publisher_node_id for name in (InputName.MAIN, InputName.BACKUP))
    home = home_node(channel.channel_id, observed, input_node_id=main)
    return {
        InputName.MAIN: home,
        InputName.BACKUP: backup_node(channel.channel_id, observed, home, input_node_id=backup),
    }
