"""The tables of recordings. Media itself is in the object store, under `recordings/<recording id>/`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.store import Base


class RecordingSettingsRecord(Base):
    """How a channel is recorded. A channel without a row is not."""

    __tablename__ = "live_recording_settings"
    channel_id: Mapped[str] = mapped_column(ForeignKey("live_channels.id", ondelete="CASCADE"), primary_key=True)
    enabled: Mapped[bool]
    retention_days: Mapped[int]
    dvr_minutes: Mapped[int]
    renditions: Mapped[str]


class RecordingRecord(Base):
    """One show as it was recorded, or a clip of one.

    `open_channel_id` is the channel's id while its show runs and null afterwards: its unique index is what keeps two
    processes from opening two recordings of one show, on both databases. The channel is no foreign key: a recording
    outlives its channel.
    """

    __tablename__ = "live_recordings"
    __table_args__ = (
        Index(None, "tenant_id", "id"),
        Index(None, "channel_id", "id"),
        Index(None, "retain_until"),
        Index(None, "state"),
    )
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("rec"))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    channel_id: Mapped[str]
    channel_name: Mapped[str]
    open_channel_id: Mapped[str | None] = mapped_column(unique=True)
    kind: Mapped[str]
    source_id: Mapped[str | None]
    """Of a clip: the recording that it was cut from, which may be gone by now."""
    name: Mapped[str]
    state: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]
    clip_from_us: Mapped[int | None]
    clip_to_us: Mapped[int | None]
    """Of a clip: what was asked for, in media time; its segments may begin earlier and end later."""
    size_bytes: Mapped[int] = mapped_column(default=0)
    duration_ms: Mapped[int] = mapped_column(default=0)
    gaps: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    tracks: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    retain_until: Mapped[datetime | None]
    failure: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class RecordingUsageRecord(Base):
    """How much a recording held in one hour: written once for each hour, whichever process comes first.

    The sum of `size_bytes` over a period is byte-hours.
    """

    __tablename__ = "live_recording_usage"
    __table_args__ = (Index(None, "tenant_id", "hour"), Index(None, "hour"))
    recording_id: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    channel_id: Mapped[str]
    size_bytes: Mapped[int]
