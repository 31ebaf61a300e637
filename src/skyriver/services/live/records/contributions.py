"""Tickets with which browsers publish."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.store import Base


class PublishTicketRecord(Base):
    """A member's right to publish from a browser, for minutes; renewed while it lasts, deleted when it is revoked."""

    __tablename__ = "live_publish_tickets"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("pt"))
    channel_id: Mapped[str] = mapped_column(ForeignKey("live_channels.id", ondelete="CASCADE"), index=True)
    input: Mapped[str]
    jti: Mapped[str]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
