"""A transcoder for each channel that has, or just had, a publisher."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from skyriver.platform.workloads.model import ObservedState, WorkloadIntent
from skyriver.services.live.intents.channel_plan import ChannelPlan
from skyriver.services.live.intents.grants import ingest_grant
from skyriver.services.live.model import BROADCAST, PROFILES, Profile, ProfileName, ingest_space_of, space_of

TRANSCODER = "live.transcoder"

# Measured: cores while running on 720p30 input; they are for packing, admission on the node has the last word.
_TRANSCODER_CORES = {
    ProfileName.STANDARD: 0.45,
    ProfileName.LIGHT: 0.25,
    ProfileName.HIGH: 0.7,
    ProfileName.SOURCE: 0.1,
}


def transcoder_name(channel_id: str) -> str:
    return f"{TRANSCODER}/{channel_id}"


def transcoder_intent(channel: ChannelPlan, observed: ObservedState) -> WorkloadIntent:
    """The channel's transcoder."""
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
            "grant": ingest_grant(observed, name, channel, get=("",)),
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


def profile_spec(profile: Profile) -> dict[str, Any]:
    """A profile as the transcoder is told it."""
    return {
        "renditions": [asdict(rendition) for rendition in profile.renditions],
        "audio": [asdict(audio) for audio in profile.audio],
    }
