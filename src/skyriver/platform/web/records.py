"""The web layer's one table: answers kept for repeated creates."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.platform.store import Base


class IdempotencyRecord(Base):
    """One create that was carried out. `answer` is sealed with a key made from the caller's own credential."""

    __tablename__ = "idempotency"
    key_sha256: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    request_sha256: Mapped[str]
    answer: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
