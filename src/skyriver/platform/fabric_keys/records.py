"""Tables of grant signing keys and revoked grants."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.store import Base


class GrantKeyRecord(Base):
    """An Ed25519 key that signs grants. The private half is sealed: whoever reads the database cannot sign."""

    __tablename__ = "grant_keys"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("gk"))
    public_jwk: Mapped[dict[str, Any]]
    private_sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    retired_at: Mapped[datetime | None]


class DeniedGrantRecord(Base):
    """A revoked grant; kept until it would have expired anyway."""

    __tablename__ = "denied_grants"
    jti: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    reason: Mapped[str]
    denied_at: Mapped[datetime] = mapped_column(default=utc_now)


class GrantRevocationRecord(Base):
    """All grants of one subject (see `fabric.grants.Denial`) that were issued before a moment are revoked; kept until
    the longest of them would have expired anyway."""

    __tablename__ = "grant_revocations"
    subject: Mapped[str] = mapped_column(primary_key=True)
    issued_before: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    reason: Mapped[str]
