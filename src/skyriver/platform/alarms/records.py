"""The table of alarms."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.store import Base


class AlarmRecord(Base):
    """One alarm, from the first time it was raised until long after it was cleared.

    `open_key` is `<tenant>/<kind>/<subject kind>/<subject id>` while the alarm is open and null afterwards: its unique
    index is what makes raising idempotent between processes, on both databases. The subject is no foreign key: an
    alarm outlives what it is about.
    """

    __tablename__ = "alarms"
    __table_args__ = (Index(None, "tenant_id", "id"), Index(None, "cleared_at"))
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("alm"))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    open_key: Mapped[str | None] = mapped_column(unique=True)
    source: Mapped[str]
    """The watcher that raised it and will clear it."""
    kind: Mapped[str]
    severity: Mapped[str]
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    subject_name: Mapped[str]
    message: Mapped[str]
    hint: Mapped[str]
    count: Mapped[int] = mapped_column(default=1)
    """How often it was raised: an alarm that comes back soon after it was cleared is the same one again."""
    raised_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_seen_at: Mapped[datetime] = mapped_column(default=utc_now)
    cleared_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
