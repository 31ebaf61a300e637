"""The table of assignments. Specs are not stored: they hold grants, and are made anew from intents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.store import Base
from skyriver.platform.workloads.model import Assignment


class WorkloadRecord(Base):
    """An intent's place. `node_id` is no foreign key: the planner moves a deleted node's work, not a cascade."""

    __tablename__ = "workloads"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("wl"))
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    node_id: Mapped[str] = mapped_column(index=True)
    generation: Mapped[int]
    port: Mapped[int | None]
    tenant_id: Mapped[str | None]
    space: Mapped[str | None]
    reason: Mapped[str]
    """Why it is where it is."""
    ready: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Its last `ready` event (addresses, fingerprints): a fresh API process can plan before it hears the first beat."""
    placed_at: Mapped[datetime] = mapped_column(default=utc_now)

    def assignment(self) -> Assignment:
        return Assignment(self.id, self.name, self.kind, self.node_id, self.generation, self.port)
