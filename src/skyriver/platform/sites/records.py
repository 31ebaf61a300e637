"""Tables of sites, nodes and join tokens."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.store import Base


class SiteRecord(Base):
    """A place with machines and an uplink."""

    __tablename__ = "sites"
    __table_args__ = (CheckConstraint("role IN ('core', 'edge')", name="role"),)
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("site"))
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    region: Mapped[str]
    role: Mapped[str]
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class NodeRecord(Base):
    """One machine at a site, known by the public half of its key. What it reports lives in memory, not here."""

    __tablename__ = "nodes"
    __table_args__ = (UniqueConstraint("site_id", "name"),)
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("nd"))
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    name: Mapped[str]
    public_key: Mapped[str]
    """Ed25519, 32 bytes, URL-safe base 64."""
    address: Mapped[str]
    cores: Mapped[float]
    memory_bytes: Mapped[int]
    first_port: Mapped[int] = mapped_column(default=0)
    last_port: Mapped[int] = mapped_column(default=0)
    draining: Mapped[bool] = mapped_column(default=False)
    joined_at: Mapped[datetime] = mapped_column(default=utc_now)
    plan_generation: Mapped[int] = mapped_column(default=0)
    plan_sha256: Mapped[str] = mapped_column(default="")


class JoinTokenRecord(Base):
    """The right to add one node to a site. The token itself is not stored."""

    __tablename__ = "join_tokens"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("jt"))
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"))
    token_sha256: Mapped[str] = mapped_column(unique=True)
    expires_at: Mapped[datetime]
    node_id: Mapped[str | None]
    """The node that used it; a token works once."""
