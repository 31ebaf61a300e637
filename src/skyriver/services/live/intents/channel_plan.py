"""What planning knows of each channel, out of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.services.live.model import ProfileName, Takeover, is_wanted
from skyriver.services.live.records import (
    ChannelRecord,
    DetectorSettingsRecord,
    FeederRecord,
    InputRecord,
    PublishTicketRecord,
    StreamKeyRecord,
)

FeederKeyReader = Callable[[str], str | None]
"""Channel id -> the feeder's clear stream key, None where this process does not have it."""


@dataclass(frozen=True)
class ChannelPlan:
    """What planning needs to know of one channel; `records` makes it from rows."""

    channel_id: str
    tenant_id: str
    takeover: Takeover
    profile: ProfileName
    key_sha256: tuple[str, ...]
    standby: bool = True
    adaptive_quality: bool = True
    loudness_lufs: int = 0
    input_since: datetime | None = None
    input_ended_at: datetime | None = None
    input_node_id: str | None = None
    feeder: FeederPlan | None = None
    tickets: tuple[tuple[str, str], ...] = ()
    """Browsers that may publish now: ticket id and input."""
    detectors: Mapping[str, Any] = field(default_factory=dict)

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
    detectors = {row.channel_id: row.settings for row in await session.scalars(select(DetectorSettingsRecord))}
    tickets: dict[str, list[tuple[str, str]]] = {}
    unexpired = select(PublishTicketRecord).where(PublishTicketRecord.expires_at > utc_now())
    for ticket in await session.scalars(unexpired):
        tickets.setdefault(ticket.channel_id, []).append((ticket.id, ticket.input))
    channels = (await session.scalars(select(ChannelRecord).order_by(ChannelRecord.id))).all()
    return [
        ChannelPlan(
            channel_id=channel.id,
            tenant_id=channel.tenant_id,
            takeover=Takeover(channel.takeover),
            profile=ProfileName(channel.profile),
            standby=channel.standby,
            adaptive_quality=channel.adaptive_quality,
            loudness_lufs=channel.loudness_lufs,
            key_sha256=tuple(sorted(keys.get(channel.id, ()))),
            input_since=seen.since if (seen := inputs.get(channel.id)) else None,
            input_ended_at=seen.ended_at if seen else None,
            input_node_id=seen.node_id if seen else None,
            feeder=feeders.get(channel.id),
            tickets=tuple(sorted(tickets.get(channel.id, ()))),
            detectors=detectors.get(channel.id, {}),
        )
        for channel in channels
    ]
