"""The tables of webhooks: where to, what happened, and what became of telling it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.store import Base


class WebhookRecord(Base):
    """An address that a tenant wants to be told at. `secret_sealed` opens with this cloud's key file only."""

    __tablename__ = "webhooks"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("wh"))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    url: Mapped[str]
    event_types: Mapped[list[str]]
    """Empty: all of them."""
    secret_sealed: Mapped[bytes]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str] = mapped_column(default="")
    failures: Mapped[int] = mapped_column(default=0)
    """Attempts that failed since the last one that did not."""
    failing_since: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class WebhookEventRecord(Base):
    """The outbox: something that happened, written in the transaction of the fact itself."""

    __tablename__ = "webhook_events"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("evt"))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    type: Mapped[str]
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)


class WebhookDeliveryRecord(Base):
    """One event on its way to one address."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index(None, "state", "next_attempt_at"), Index(None, "webhook_id", "id"))
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("dlv"))
    event_id: Mapped[str] = mapped_column(ForeignKey("webhook_events.id", ondelete="CASCADE"), index=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(default=utc_now)
    """Of a pending one. Pushed forward when an attempt begins: a process that dies in one does not lose it."""
    give_up_at: Mapped[datetime]
    last_attempt_at: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_error: Mapped[str] = mapped_column(default="")
    duration_ms: Mapped[int | None]
