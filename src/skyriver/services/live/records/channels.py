"""Channels, their keys and their inputs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint, true
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.store import Base


class ChannelRecord(Base):
    """A channel, as its tenant wants it."""

    __tablename__ = "live_channels"
    __table_args__ = (UniqueConstraint("tenant_id", "slug"),)
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("ch"))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    name: Mapped[str]
    slug: Mapped[str]
    public: Mapped[bool]
    takeover: Mapped[str]
    profile: Mapped[str]
    standby: Mapped[bool] = mapped_column(server_default=true())
    adaptive_quality: Mapped[bool] = mapped_column(server_default=true())
    ladder: Mapped[str] = mapped_column(server_default="adaptive")
    loudness_lufs: Mapped[int] = mapped_column(server_default="0")  # 0: as it comes
    input_select: Mapped[str] = mapped_column(server_default="auto")
    input_revert_s: Mapped[int | None] = mapped_column(server_default="10")  # null: never back by itself
    slate_minutes: Mapped[int] = mapped_column(server_default="5")  # 0: no slate
    max_bitrate_bps: Mapped[int] = mapped_column(server_default="50000000")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class StreamKeyRecord(Base):
    """A publisher's key. The secret itself is never stored; a revoked key is deleted, the audit log remembers it."""

    __tablename__ = "live_stream_keys"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("sk"))
    channel_id: Mapped[str] = mapped_column(ForeignKey("live_channels.id", ondelete="CASCADE"), index=True)
    input: Mapped[str] = mapped_column(server_default="main")
    name: Mapped[str]
    secret_sha256: Mapped[str] = mapped_column(unique=True)
    sealed_srt_passphrase: Mapped[bytes | None]  # SRT needs it in the clear; null: connections are not encrypted
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class InputRecord(Base):
    """An input's present or last publisher: what a restarted API must know before the first heartbeat comes."""

    __tablename__ = "live_inputs"
    channel_id: Mapped[str] = mapped_column(ForeignKey("live_channels.id", ondelete="CASCADE"), primary_key=True)
    input: Mapped[str] = mapped_column(primary_key=True, server_default="main")
    node_id: Mapped[str]
    since: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class FeederRecord(Base):
    """A channel that is fed a generated picture. Its clear stream key is not here but in a file (see `feeders`)."""

    __tablename__ = "live_feeders"
    channel_id: Mapped[str] = mapped_column(ForeignKey("live_channels.id", ondelete="CASCADE"), primary_key=True)
    width: Mapped[int]
    height: Mapped[int]
    fps: Mapped[int]


class SlateRecord(Base):
    """What a tenant gave for the time without any input: a picture, or an uploaded film and its picture until it plays.

    The picture is a JPEG that we have decoded, fitted and encoded.
    """

    __tablename__ = "live_slates"
    channel_id: Mapped[str] = mapped_column(ForeignKey("live_channels.id", ondelete="CASCADE"), primary_key=True)
    jpeg: Mapped[bytes]
    file_id: Mapped[str | None] = mapped_column(ForeignKey("live_media_files.id"))
    sha256: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
