"""A pull beside the station of each channel with a source URL; a push for each destination while a channel is on."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.errors import SkyriverError
from skyriver.platform.fabric_keys.seal import Seal
from skyriver.platform.workloads.model import ObservedState, WorkloadIntent
from skyriver.services.live.intents.channel_plan import ChannelPlan
from skyriver.services.live.intents.plan import homes_of
from skyriver.services.live.intents.station import Doors, rtmp_url
from skyriver.services.live.media_files.storage import StoredFile, prefix_of
from skyriver.services.live.model import BROADCAST, InputName, space_of
from skyriver.services.live.records import DestinationRecord, MediaFileRecord, PullRecord
from skyriver.services.live.relaying.operations import key_label, url_label

PULL, PUSH = "live.pull", "live.push"
_PULL_CORES, _PUSH_CORES = 0.1, 0.05  # for packing: about what a station and its sending half use

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PullPlan:
    """Where a channel is pulled from, and the key it publishes with; both in the clear."""

    channel_id: str
    url: str = field(repr=False)
    key: str = field(repr=False)
    loop: bool = False
    input: InputName = InputName.MAIN
    file: tuple[str, int] | None = None
    """Instead of a URL: where the file is in the object store, and its size in bytes."""


@dataclass(frozen=True)
class PushPlan:
    """A destination; its address in the clear."""

    destination_id: str
    channel_id: str
    url: str = field(repr=False)
    key: str = field(repr=False)
    rendition: str = "source"


def pull_name(channel_id: str, name: str = InputName.MAIN) -> str:
    return f"{PULL}/{channel_id}" + ("" if name == InputName.MAIN else f"/{name}")


def push_name(destination_id: str) -> str:
    return f"{PUSH}/{destination_id}"


async def read_relays(session: AsyncSession, seal: Seal) -> tuple[list[PullPlan], list[PushPlan]]:
    """What is switched on. What this process cannot unseal is left out, and said."""
    pulls, pushes = [], []
    set_up = select(PullRecord).where(PullRecord.enabled).order_by(PullRecord.channel_id, PullRecord.input)
    for pull in await session.scalars(set_up):
        try:
            sealed_url = pull.sealed_url
            url = seal.open(sealed_url, url_label(pull.channel_id, pull.input)).decode() if sealed_url else ""
            key = seal.open(pull.sealed_key, key_label(pull.channel_id, pull.input)).decode()
        except SkyriverError as error:
            log.error("A channel's pull is left out: %s", error)
            continue
        file = await session.get(MediaFileRecord, pull.file_id) if pull.file_id else None
        at = (prefix_of(file.tenant_id, file.id), file.size_bytes) if file is not None else None
        pulls.append(PullPlan(pull.channel_id, url, key, pull.loop, InputName(pull.input), at))
    enabled = select(DestinationRecord).where(DestinationRecord.enabled).order_by(DestinationRecord.id)
    for row in await session.scalars(enabled):
        try:
            address = json.loads(seal.open(row.sealed_address, row.id))
        except SkyriverError as error:
            log.error("A channel's destination is left out: %s", error)
            continue
        pushes.append(PushPlan(row.id, row.channel_id, address["url"], address["key"], row.rendition))
    return pulls, pushes


def relay_intents(
    pulls: Sequence[PullPlan],
    pushes: Sequence[PushPlan],
    channels: Sequence[ChannelPlan],
    observed: ObservedState,
    *,
    now: datetime,
    doors: Doors,
    allow_private: bool,
    store_url: str = "",
) -> list[WorkloadIntent]:
    """The pulls that are set, and the pushes of channels that are on."""
    plans = {channel.channel_id: channel for channel in channels}
    intents = []
    for pull in pulls:
        if (channel := plans.get(pull.channel_id)) is None:
            continue
        if (home := homes_of(channel, observed)[pull.input]) is None:
            continue
        spec: dict[str, object] = {
            "channel_id": channel.channel_id,
            "input": pull.input.value,
            "url": pull.url,
            "file": StoredFile(store_url, *pull.file).spec() if pull.file is not None else None,
            "key": pull.key,
            "loop": pull.loop,
            "rtmp_url": rtmp_url(home, observed, doors),
            "allow_private": allow_private,
        }
        name = pull_name(pull.channel_id, pull.input)
        intents.append(_intent(name, PULL, spec, channel, _PULL_CORES, node_id=home.id))
    for push in pushes:
        if (channel := plans.get(push.channel_id)) is None or not channel.wants_transcoder(now):
            continue
        name = push_name(push.destination_id)
        spec = {
            "channel_id": channel.channel_id,
            "destination_id": push.destination_id,
            "space": space_of(channel.channel_id),
            "grant": observed.service_grant(
                name, space_of(channel.channel_id), tenant_id=channel.tenant_id, put=(), get=(BROADCAST,)
            ),
            "origins": [origin.spec() for origin in observed.origins()],
            "url": push.url,
            "key": push.key,
            "rendition": push.rendition,
            "allow_private": allow_private,
        }
        intents.append(_intent(name, PUSH, spec, channel, _PUSH_CORES))
    return intents


def _intent(
    name: str, kind: str, spec: Mapping[str, object], channel: ChannelPlan, cores: float, node_id: str | None = None
) -> WorkloadIntent:
    return WorkloadIntent(
        name,
        kind,
        spec,
        tenant_id=channel.tenant_id,
        space=space_of(channel.channel_id),
        site_role="core",
        node_id=node_id,
        cpu_cores=cores,
    )
