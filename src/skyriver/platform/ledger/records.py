"""The table of usage facts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.platform.store import Base


class UsageFactRecord(Base):
    """What one relay session carried in one interval. Append-only; ids outlive what they name, so no foreign keys.

    `source` is `<node id>/<the relay's session>`: a node can only ever write facts of its own.
    """

    __tablename__ = "usage_facts"
    __table_args__ = (
        Index(None, "tenant_id", "ended_at"),
        Index(None, "space", "ended_at"),
        Index(None, "ended_at"),
    )
    source: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    node_id: Mapped[str]
    site_id: Mapped[str | None]
    tenant_id: Mapped[str | None]
    """Whom the grant was made for; None for the platform's own traffic between relays."""
    space: Mapped[str]
    jti: Mapped[str]
    bytes_sent: Mapped[int]
    bytes_received: Mapped[int]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    final: Mapped[bool]
    recorded_at: Mapped[datetime] = mapped_column(default=utc_now)
