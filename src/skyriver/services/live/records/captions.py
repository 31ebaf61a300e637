"""The languages of a channel's live captions. The cues themselves are never stored here: they pass."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.platform.store import Base


class CaptionTrackRecord(Base):
    """One language that viewers can choose, in every show of the channel until it is removed."""

    __tablename__ = "live_caption_tracks"
    channel_id: Mapped[str] = mapped_column(ForeignKey("live_channels.id", ondelete="CASCADE"), primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)  # BCP 47, lower case
    label: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
