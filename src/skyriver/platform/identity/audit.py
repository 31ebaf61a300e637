"""The audit log: every change, who made it, and when. Written in the same transaction as the change itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.identity.principals import Principal
from skyriver.platform.identity.records import AuditRecord


def record_audit(
    session: AsyncSession, actor: Principal, action: str, subject_id: str, *, tenant_id: str = "", **details: Any
) -> None:
    """Add one entry, e.g. `record_audit(s, caller, "channel.created", channel.id, name=channel.name)`.

    Args:
        action: `<noun>.<past participle>`.
        subject_id: id of what was changed.
        tenant_id: whose log; the actor's own tenant by default.
        details: what a reader needs to understand the change. Never a secret.
    """
    session.add(
        AuditRecord(
            tenant_id=tenant_id or actor.tenant_id,
            actor_kind=actor.kind,
            actor_id=actor.id,
            action=action,
            subject_id=subject_id,
            details=details,
        )
    )
