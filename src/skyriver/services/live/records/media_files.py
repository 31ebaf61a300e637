"""Media files that tenants have uploaded. Their bytes lie in the object store, their names are only for people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.store import Base


class MediaFileRecord(Base):
    """One file. `facts` is what a probe found in it (`media_files.model.MediaFacts`).

    Its picture is read only where it is asked for (`undefer`): the planner reads files several times a second.
    """

    __tablename__ = "live_media_files"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("mf"))
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    state: Mapped[str]  # uploading, ready, deleting: only what is ready is seen
    size_bytes: Mapped[int]
    sha256: Mapped[str]
    facts: Mapped[dict[str, Any]]
    poster: Mapped[bytes | None] = mapped_column(deferred=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
