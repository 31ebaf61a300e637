"""What is watched for on a channel, and what its viewers' players have told, minute by minute."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.platform.store import Base


class DetectorSettingsRecord(Base):
    """A channel's own thresholds; a channel without a row has the defaults."""

    __tablename__ = "live_detector_settings"
    channel_id: Mapped[str] = mapped_column(ForeignKey("live_channels.id", ondelete="CASCADE"), primary_key=True)
    settings: Mapped[dict[str, Any]]


class ToldStateRecord(Base):
    """What webhooks were last told of a channel. Changed in the transaction that writes the event, so that each change
    is told once, by whichever API process comes first, and also after a restart."""

    __tablename__ = "live_told_states"
    channel_id: Mapped[str] = mapped_column(ForeignKey("live_channels.id", ondelete="CASCADE"), primary_key=True)
    state: Mapped[str]
    active_input: Mapped[str]


class QoeMinuteRecord(Base):
    """What players told within one minute, of one channel at one site by one protocol.

    Each API process writes rows of its own (`writer`), so that it can write a minute again as it grows; readers add
    them up. Histograms are counts by bucket, see `qoe.model`.
    """

    __tablename__ = "live_qoe_minutes"
    __table_args__ = (Index(None, "minute"),)
    channel_id: Mapped[str] = mapped_column(ForeignKey("live_channels.id", ondelete="CASCADE"), primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    region: Mapped[str] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(primary_key=True)
    protocol: Mapped[str] = mapped_column(primary_key=True)
    writer: Mapped[str] = mapped_column(primary_key=True)
    viewings: Mapped[int]
    beacons: Mapped[int]
    watched_ms: Mapped[int]
    startups: Mapped[list[Any]]
    startup_ms: Mapped[int]
    latencies: Mapped[list[Any]]
    latency_ms: Mapped[int]
    rebuffers: Mapped[int]
    rebuffer_ms: Mapped[int]
    switches: Mapped[int]
    errors: Mapped[int]
    renditions: Mapped[dict[str, Any]]
    """Milliseconds watched, by rendition."""
