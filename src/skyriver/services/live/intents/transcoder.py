"""A transcoder for each channel that has, or just had, a publisher; beside it a hot standby, where there is room.

The standby does the same work on another core node, best at another site, from the same inputs, and publishes the same
groups at a higher cost: nobody asks it for a frame until the origins no longer hear the first one.
"""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

from skyriver.platform.workloads.model import NodeState, ObservedState, WorkloadIntent
from skyriver.services.live.intents.channel_plan import ChannelPlan
from skyriver.services.live.intents.grants import ingest_grant
from skyriver.services.live.intents.homes import core_nodes
from skyriver.services.live.media_files.storage import StoredFile
from skyriver.services.live.model import BROADCAST, PROFILES, InputName, Profile, ProfileName, ingest_space_of, space_of

TRANSCODER = "live.transcoder"
STANDBY_COST = 10  # routes of one cost are told apart by age; relays add their own hops, which are single digits

# Measured: cores while running on 720p30 input; they are for packing, admission on the node has the last word.
_TRANSCODER_CORES = {
    ProfileName.STANDARD: 0.45,
    ProfileName.LIGHT: 0.25,
    ProfileName.HIGH: 0.7,
    ProfileName.SOURCE: 0.1,
}


def transcoder_name(channel_id: str) -> str:
    return f"{TRANSCODER}/{channel_id}"


def standby_name(channel_id: str) -> str:
    return f"{TRANSCODER}/{channel_id}/standby"


def transcoder_intents(channel: ChannelPlan, observed: ObservedState, *, store_url: str = "") -> list[WorkloadIntent]:
    """The channel's transcoder, and its standby when it wants one and there are two core nodes to choose from."""
    first, second = transcoder_name(channel.channel_id), standby_name(channel.channel_id)
    living = [node for node in core_nodes(observed) if node.state is not NodeState.DEAD and not node.draining]
    if not channel.standby or len(living) < 2:
        return [_transcoder(channel, observed, first, cost=0, store_url=store_url)]
    return [
        _transcoder(channel, observed, first, cost=0, apart_from=second, store_url=store_url),
        _transcoder(channel, observed, second, cost=STANDBY_COST, apart_from=first, store_url=store_url),
    ]


def _transcoder(
    channel: ChannelPlan,
    observed: ObservedState,
    name: str,
    *,
    cost: int,
    store_url: str,
    apart_from: str | None = None,
) -> WorkloadIntent:
    spec = {
        "channel_id": channel.channel_id,
        "tenant_id": channel.tenant_id,
        "space": space_of(channel.channel_id),
        "origins": [origin.spec() for origin in observed.origins(channel.inputs[InputName.MAIN].node_id)],
        "grant": observed.service_grant(
            name, space_of(channel.channel_id), tenant_id=channel.tenant_id, put=(BROADCAST,), get=()
        ),
        "ingest": {
            "space": ingest_space_of(channel.channel_id),
            "grant": ingest_grant(observed, name, channel, get=("",)),
        },
        "profile": profile_spec(PROFILES[channel.profile]),
        "inputs": _inputs(channel, observed, store_url),
        "cost": cost,
        "adaptive_quality": channel.adaptive_quality,
        "ladder": channel.ladder.value,
        "loudness_lufs": channel.loudness_lufs,
        "captions": [{"language": language, "label": label} for language, label in channel.captions],
        # The standby sees the same pictures: one pair of eyes is enough.
        "detectors": {**channel.detectors, **({"enabled": False} if cost else {})},
    }
    return WorkloadIntent(
        name,
        TRANSCODER,
        spec,
        tenant_id=channel.tenant_id,
        space=space_of(channel.channel_id),
        site_role="core",
        apart_from=(apart_from,) if apart_from else (),
        cpu_cores=_TRANSCODER_CORES[channel.profile],
    )


def _inputs(channel: ChannelPlan, observed: ObservedState, store_url: str) -> dict[str, Any]:
    """Which input is shown, and what while there is none. `last` tells a transcoder that starts what viewers see, and
    `last_offset_ms` how far its times are moved: without it, a moved input's times would go back."""
    switch = channel.switch
    both = (observed.workload(name) for name in (transcoder_name(channel.channel_id), standby_name(channel.channel_id)))
    told = (w.metrics for w in both if w is not None and w.serving and w.metrics.get("active") in list(InputName))
    metrics = next(told, {})
    shown = metrics.get("active")
    offset_ms = metrics.get("inputs", {}).get(shown, {}).get("offset_ms", 0)
    slate: dict[str, Any] | None = None
    if switch.slate_minutes:
        slate = {"title": channel.name}
        if switch.slate_jpeg is not None:
            slate["jpeg_base64"] = base64.b64encode(switch.slate_jpeg).decode()
        if switch.slate_film is not None:
            slate["film"] = StoredFile(store_url, *switch.slate_film).spec()
    return {
        "select": switch.select.value,
        "revert_s": switch.revert_s,
        "last": shown,
        "last_offset_ms": offset_ms,
        "slate": slate,
    }


def profile_spec(profile: Profile) -> dict[str, Any]:
    """A profile as the transcoder is told it."""
    return {
        "renditions": [asdict(rendition) for rendition in profile.renditions],
        "audio": [asdict(audio) for audio in profile.audio],
    }
