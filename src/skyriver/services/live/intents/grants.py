"""Service grants for the space between a channel's station and its transcoder."""

from __future__ import annotations

from skyriver.platform.workloads.model import ObservedState
from skyriver.services.live.intents.channel_plan import ChannelPlan
from skyriver.services.live.model import ingest_space_of


def ingest_grant(
    observed: ObservedState,
    workload: str,
    channel: ChannelPlan,
    *,
    put: tuple[str, ...] = (),
    get: tuple[str, ...] = (),
) -> str:
    """A grant for `workload` in the channel's ingest space."""
    return observed.service_grant(
        workload, ingest_space_of(channel.channel_id), tenant_id=channel.tenant_id, put=put, get=get
    )
