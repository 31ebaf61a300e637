"""Identity's tables. A user belongs to exactly one tenant: nobody can find out which addresses another one has."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.store import Base

_ROLE_CHECK = "role IN ('owner', 'admin', 'member', 'viewer')"


class TenantRecord(Base):
    """An account that owns things. Exactly one, the first, runs the cloud."""

    __tablename__ = "tenants"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("ten"))
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    is_operator: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class UserRecord(Base):
    """A person who signs in with an address and a password."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("tenant_id", "email"),
        CheckConstraint(_ROLE_CHECK, name="role"),
        Index(None, "email"),
    )
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("us"))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    email: Mapped[str]
    name: Mapped[str] = mapped_column(default="")
    role: Mapped[str]
    password_hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ApiKeyRecord(Base):
    """A key for programs; the secret itself is never stored."""

    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint(_ROLE_CHECK, name="role"),)
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("key"))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    role: Mapped[str]
    secret_sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_used_at: Mapped[datetime | None]


class SessionRecord(Base):
    """A signed-in user."""

    __tablename__ = "sessions"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("ses"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class LoginFailureRecord(Base):
    """Failed sign-ins of one account from one address; survives a restart, or a restart would reset the throttle."""

    __tablename__ = "login_failures"
    key_sha256: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_failed_at: Mapped[datetime] = mapped_column(index=True)
    blocked_until: Mapped[datetime]


class AuditRecord(Base):
    """One change somebody made. Append-only; `subject_id` outlives what it names, so it is no foreign key."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "tenant_id", "id"),)
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("aud"))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(default=utc_now)
    actor_kind: Mapped[str]
    actor_id: Mapped[str]
    action: Mapped[str]
    subject_id: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
