"""What a principal can do with recordings. As `live.service`: an open session and the caller come in, another tenant's
things are not found, and the audit log is written in the same transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.identity import Principal, record_audit
from skyriver.services.live.recordings.errors import (
    NothingRecorded,
    OutsideRecording,
    RecordingNotFound,
    RecordingRuns,
    TooManyClips,
)
from skyriver.services.live.recordings.model import (
    CLIP_MAX_US,
    CLIP_MIN_US,
    CLIPS_MAKING_MAX,
    RecordingKind,
    RecordingSettings,
    RecordingState,
    Renditions,
)
from skyriver.services.live.records import ChannelRecord, RecordingRecord, RecordingSettingsRecord, RecordingUsageRecord


@dataclass(frozen=True)
class SettingsChange:
    """What to change; None leaves a thing as it is."""

    enabled: bool | None = None
    retention_days: int | None = None
    dvr_minutes: int | None = None
    renditions: Renditions | None = None


async def settings_of(session: AsyncSession, channel_id: str) -> RecordingSettings:
    """How a channel is recorded."""
    row = await session.get(RecordingSettingsRecord, channel_id)
    return RecordingSettings() if row is None else _settings(row)


async def change_settings(
    session: AsyncSession, caller: Principal, channel: ChannelRecord, change: SettingsChange
) -> RecordingSettings:
    """Change what is given. A running show's recording begins or ends with it; recordings that exist keep their
    retention."""
    row = await session.get(RecordingSettingsRecord, channel.id)
    if row is None:
        row = RecordingSettingsRecord(channel_id=channel.id, **vars(RecordingSettings()))
        session.add(row)
    changed = {name: value for name, value in vars(change).items() if value is not None}
    for name, value in changed.items():
        setattr(row, name, value)
    await session.flush()
    if changed:
        record_audit(session, caller, "recording_settings.changed", channel.id, **changed)
    return _settings(row)


def recordings_of(caller: Principal, channel_id: str | None = None) -> Select[RecordingRecord]:
    """The recordings a caller may know of."""
    query = select(RecordingRecord).where(
        RecordingRecord.tenant_id == caller.tenant_id, RecordingRecord.state != RecordingState.DELETING
    )
    return query if channel_id is None else query.where(RecordingRecord.channel_id == channel_id)


async def find_recording(session: AsyncSession, caller: Principal, recording_id: str) -> RecordingRecord:
    """The caller's recording.

    Raises:
        RecordingNotFound: this tenant has none of that id.
    """
    if (found := await session.scalar(recordings_of(caller).where(RecordingRecord.id == recording_id))) is None:
        raise RecordingNotFound(recording_id)
    return found


async def rename_recording(session: AsyncSession, caller: Principal, recording: RecordingRecord, name: str) -> None:
    """Call a recording something else."""
    recording.name = name
    record_audit(session, caller, "recording.renamed", recording.id, name=name)


async def delete_recording(session: AsyncSession, caller: Principal, recording: RecordingRecord) -> None:
    """Mark a recording for removal: nobody sees it from now on, and its objects go soon.

    Raises:
        RecordingRuns: its show goes on.
    """
    if recording.state == RecordingState.RECORDING:
        raise RecordingRuns
    record_audit(
        session, caller, "recording.deleted", recording.id, name=recording.name, channel_id=recording.channel_id
    )
    mark_deleting(recording)


def mark_deleting(recording: RecordingRecord) -> None:
    """Nobody sees it any more."""
    recording.state, recording.open_channel_id = RecordingState.DELETING, None


async def create_clip(
    session: AsyncSession, caller: Principal, source: RecordingRecord, name: str, from_us: int, to_us: int
) -> RecordingRecord:
    """Order a clip of what is recorded, media time; it is made in the background.

    Raises:
        OutsideRecording: the times make no clip.
        NothingRecorded: there is nothing to cut from.
        TooManyClips.
    """
    if source.state not in (RecordingState.RECORDING, RecordingState.FINISHING, RecordingState.READY):
        raise NothingRecorded
    if not 0 <= from_us < to_us < 1 << 53:
        raise OutsideRecording("its times are not within any show")
    if not CLIP_MIN_US <= to_us - from_us <= CLIP_MAX_US:
        raise OutsideRecording(f"it would be {(to_us - from_us) / 1e6:.1f} s long")
    making = select(func.count()).where(
        RecordingRecord.tenant_id == caller.tenant_id, RecordingRecord.state == RecordingState.MAKING
    )
    if (await session.scalar(making) or 0) >= CLIPS_MAKING_MAX:
        raise TooManyClips(CLIPS_MAKING_MAX)
    clip = RecordingRecord(
        tenant_id=caller.tenant_id,
        channel_id=source.channel_id,
        channel_name=source.channel_name,
        kind=RecordingKind.CLIP,
        source_id=source.id,
        name=name,
        state=RecordingState.MAKING,
        started_at=moment(from_us),
        ended_at=moment(to_us),
        clip_from_us=from_us,
        clip_to_us=to_us,
        duration_ms=(to_us - from_us) // 1000,
    )
    session.add(clip)
    await session.flush()
    record_audit(session, caller, "recording.clipped", clip.id, source_id=source.id, name=name)
    return clip


async def find_running(session: AsyncSession, channel: ChannelRecord) -> tuple[RecordingRecord, int]:
    """The recording of a channel's running show, and how many minutes back its viewers may go.

    Raises:
        NothingRecorded: there is none, nothing of it can be played yet, or viewers may not go back.
    """
    settings = await settings_of(session, channel.id)
    query = select(RecordingRecord).where(RecordingRecord.open_channel_id == channel.id)
    recording = await session.scalar(query)
    if recording is None or not recording.size_bytes or not settings.dvr_minutes:
        raise NothingRecorded
    return recording, settings.dvr_minutes


@dataclass(frozen=True)
class Stored:
    """What a tenant's recordings hold now, and have held: `byte_hours` is the sum of bytes at each full hour."""

    size_bytes: int
    recordings: int
    byte_hours: int


async def stored_by(session: AsyncSession, caller: Principal, since: datetime, until: datetime) -> Stored:
    """A tenant's storage: now, and as byte-hours in [since, until)."""
    now = select(func.coalesce(func.sum(RecordingRecord.size_bytes), 0), func.count()).where(
        RecordingRecord.tenant_id == caller.tenant_id
    )
    held = select(func.coalesce(func.sum(RecordingUsageRecord.size_bytes), 0)).where(
        RecordingUsageRecord.tenant_id == caller.tenant_id,
        RecordingUsageRecord.hour >= since,
        RecordingUsageRecord.hour < until,
    )
    size_bytes, count = (await session.execute(now)).one()
    return Stored(int(size_bytes), int(count), int(await session.scalar(held) or 0))


def moment(time_us: int) -> datetime:
    """Media time as UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


def media_time(at: datetime) -> int:
    """UTC as media time, µs."""
    return (at - _EPOCH) // timedelta(microseconds=1)


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _settings(row: RecordingSettingsRecord) -> RecordingSettings:
    return RecordingSettings(row.enabled, row.retention_days, row.dvr_minutes, Renditions(row.renditions))
