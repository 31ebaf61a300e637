"""What a channel takes from elsewhere and sends on to elsewhere. Addresses hold secrets, so they are sealed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.store import Base


class PullRecord(Base):
    """Where an input of a channel is pulled from: a URL or an uploaded file, published with a stream key of its own."""

    __tablename__ = "live_pulls"
    channel_id: Mapped[str] = mapped_column(ForeignKey("live_channels.id", ondelete="CASCADE"), primary_key=True)
    input: Mapped[str] = mapped_column(primary_key=True, server_default="main")
    shown_url: Mapped[str]
    sealed_url: Mapped[bytes | None]
    file_id: Mapped[str | None] = mapped_column(ForeignKey("live_media_files.id"))  # this or a URL
    loop: Mapped[bool]
    enabled: Mapped[bool]
    key_sha256: Mapped[str] = mapped_column(unique=True)
    sealed_key: Mapped[bytes]
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)


class DestinationRecord(Base):
    """Another platform that gets the channel while it is live."""

    __tablename__ = "live_destinations"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("ds"))
    channel_id: Mapped[str] = mapped_column(ForeignKey("live_channels.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    shown_url: Mapped[str]
    sealed_address: Mapped[bytes]
    rendition: Mapped[str]
    enabled: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
