"""What planning knows of each channel, out of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.services.live.life import Presence, hold_of, is_wanted
from skyriver.services.live.media_files.storage import prefix_of
from skyriver.services.live.model import (
    MAX_BITRATE_BPS,
    REVERT_AFTER_S,
    SLATE_MINUTES,
    InputName,
    InputSelect,
    LadderPolicy,
    ProfileName,
    Takeover,
)
from skyriver.services.live.records import (
    CaptionTrackRecord,
    ChannelRecord,
    DetectorSettingsRecord,
    FeederRecord,
    InputRecord,
    MediaFileRecord,
    PublishTicketRecord,
    PullRecord,
    SlateRecord,
    StreamKeyRecord,
)

FeederKeyReader = Callable[[str], str | None]
"""Channel id -> the feeder's clear stream key, None where this process does not have it."""

PassphraseReader = Callable[[StreamKeyRecord], str | None]
"""A stream key's SRT passphrase in the clear; None where it has none, or this process cannot open it."""


@dataclass(frozen=True)
class InputPlan:
    """One input of a channel: who may publish, and who does, or did last."""

    key_sha256: tuple[str, ...] = ()
    srt_passphrases: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Key, by its SHA-256, and what an SRT connection with it is encrypted with."""
    presence: Presence | None = None
    node_id: str | None = None

    @property
    def publisher_node_id(self) -> str | None:
        """The node where its publisher is now."""
        return self.node_id if self.presence is not None and self.presence.present else None


@dataclass(frozen=True)
class SwitchPlan:
    """Which input is shown, and what while there is none; see `switching.selector`."""

    select: InputSelect = InputSelect.AUTO
    revert_s: int | None = REVERT_AFTER_S
    slate_minutes: int = SLATE_MINUTES
    slate_jpeg: bytes | None = field(default=None, repr=False)
    slate_film: tuple[str, int] | None = None
    """Where the film is in the object store, and its size in bytes."""


@dataclass(frozen=True)
class ChannelPlan:
    """What planning needs to know of one channel; `records` makes it from rows."""

    channel_id: str
    tenant_id: str
    takeover: Takeover
    profile: ProfileName
    inputs: Mapping[InputName, InputPlan]
    name: str = ""
    switch: SwitchPlan = SwitchPlan()
    standby: bool = True
    adaptive_quality: bool = True
    ladder: LadderPolicy = LadderPolicy.ADAPTIVE
    loudness_lufs: int = 0
    max_bitrate_bps: int = MAX_BITRATE_BPS
    feeder: FeederPlan | None = None
    tickets: tuple[tuple[str, str], ...] = ()
    """Browsers that may publish now: ticket id and input."""
    detectors: Mapping[str, Any] = field(default_factory=dict)
    captions: tuple[tuple[str, str], ...] = ()
    """Languages of captions, and what viewers read in their menus."""

    def wants_transcoder(self, now: datetime) -> bool:
        presences = [plan.presence for plan in self.inputs.values() if plan.presence is not None]
        return is_wanted(presences, hold_of(self.switch.slate_minutes), now)


@dataclass(frozen=True)
class FeederPlan:
    """A generated moving picture that is pushed through the real door; the demo channel has one."""

    key: str = field(repr=False)  # in the clear: the feeder sends it
    width: int
    height: int
    fps: int


async def read_plans(
    session: AsyncSession, feeder_key: FeederKeyReader, srt_passphrase: PassphraseReader = lambda key: None
) -> list[ChannelPlan]:
    """Every channel, as planning needs it; a feeder whose key this process does not have is left out."""
    keys: dict[tuple[str, str], list[str]] = {}
    passphrases: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for stored in await session.scalars(select(StreamKeyRecord)):
        keys.setdefault((stored.channel_id, stored.input), []).append(stored.secret_sha256)
        if (passphrase := srt_passphrase(stored)) is not None:
            passphrases.setdefault((stored.channel_id, stored.input), []).append((stored.secret_sha256, passphrase))
    pulled = select(PullRecord.channel_id, PullRecord.input, PullRecord.key_sha256).where(PullRecord.enabled)
    for channel_id, pulled_into, digest in await session.execute(pulled):
        keys.setdefault((channel_id, pulled_into), []).append(digest)
    inputs = {(row.channel_id, row.input): row for row in (await session.scalars(select(InputRecord))).all()}
    # A picture only where it can be shown: reading all of them at each planning would cost more than the plan.
    seen_once = {channel_id for channel_id, _ in inputs}
    pictured = select(SlateRecord.channel_id, SlateRecord.jpeg).where(SlateRecord.channel_id.in_(seen_once))
    slates: dict[str, bytes] = {channel_id: jpeg for channel_id, jpeg in await session.execute(pictured)}
    films = await _read_films(session, seen_once)

    def input_plan(channel_id: str, name: InputName) -> InputPlan:
        seen, allowed = inputs.get((channel_id, name)), keys.get((channel_id, name), ())
        presence = Presence(seen.since, seen.ended_at) if seen else None
        secrets = tuple(sorted(passphrases.get((channel_id, name), ())))
        return InputPlan(tuple(sorted(allowed)), secrets, presence, seen.node_id if seen else None)

    feeders = {
        row.channel_id: FeederPlan(key, row.width, row.height, row.fps)
        for row in (await session.scalars(select(FeederRecord))).all()
        if (key := feeder_key(row.channel_id)) is not None
    }
    detectors = {row.channel_id: row.settings for row in await session.scalars(select(DetectorSettingsRecord))}
    captions: dict[str, list[tuple[str, str]]] = {}
    for track in await session.scalars(select(CaptionTrackRecord)):
        captions.setdefault(track.channel_id, []).append((track.language, track.label))
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
            ladder=LadderPolicy(channel.ladder),
            loudness_lufs=channel.loudness_lufs,
            max_bitrate_bps=channel.max_bitrate_bps,
            inputs={name: input_plan(channel.id, name) for name in InputName},
            name=channel.name,
            switch=SwitchPlan(
                InputSelect(channel.input_select),
                channel.input_revert_s or None,
                channel.slate_minutes,
                slates.get(channel.id),
                films.get(channel.id),
            ),
            feeder=feeders.get(channel.id),
            tickets=tuple(sorted(tickets.get(channel.id, ()))),
            detectors=detectors.get(channel.id, {}),
            captions=tuple(sorted(captions.get(channel.id, ()))),
        )
        for channel in channels
    ]


async def _read_films(session: AsyncSession, channel_ids: set[str]) -> dict[str, tuple[str, int]]:
    """The films that are slates: channel id -> (prefix in the object store, size in bytes)."""
    query = select(SlateRecord.channel_id, MediaFileRecord).join(
        MediaFileRecord, MediaFileRecord.id == SlateRecord.file_id
    )
    return {
        channel_id: (prefix_of(file.tenant_id, file.id), file.size_bytes)
        for channel_id, file in await session.execute(query.where(SlateRecord.channel_id.in_(channel_ids)))
    }
