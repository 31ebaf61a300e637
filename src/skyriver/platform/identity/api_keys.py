"""API keys: credentials of programs, with a role of their own."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.fabric_keys import revoke_issued_for
from skyriver.platform.identity.audit import record_audit
from skyriver.platform.identity.errors import NoSuchApiKey, RoleTooHigh
from skyriver.platform.identity.principals import Principal, Role
from skyriver.platform.identity.records import ApiKeyRecord
from skyriver.platform.identity.secrets import hash_secret, new_secret

USE_NOTED_EVERY = timedelta(minutes=1)  # a write for each request would be the store's main load


async def create_api_key(session: AsyncSession, actor: Principal, *, name: str, role: Role) -> tuple[ApiKeyRecord, str]:
    """A key of the actor's tenant, and its secret, which is known only now.

    Raises:
        RoleTooHigh: the role is above the actor's.
    """
    if not actor.covers(role):
        raise RoleTooHigh(role, actor.role)
    secret = new_secret("key")
    key = ApiKeyRecord(tenant_id=actor.tenant_id, name=name, role=role, secret_sha256=hash_secret(secret))
    session.add(key)
    await session.flush()
    record_audit(session, actor, "api_key.created", key.id, name=name, role=role)
    return key, secret


async def delete_api_key(session: AsyncSession, actor: Principal, key_id: str) -> None:
    """Revoke a key, at once and for ever, and with it the grants it was given.

    Raises:
        NoSuchApiKey: there is none in the actor's tenant.
        RoleTooHigh: the key's role is above the actor's.
    """
    query = select(ApiKeyRecord).where(ApiKeyRecord.id == key_id, ApiKeyRecord.tenant_id == actor.tenant_id)
    if (key := (await session.scalars(query)).one_or_none()) is None:
        raise NoSuchApiKey(key_id)
    if not actor.covers(key.role):  # type: ignore[arg-type]  # the table's check constraint says it is a Role
        raise RoleTooHigh(key.role, actor.role)
    await session.delete(key)
    await revoke_issued_for(session, key.id, "its API key was deleted")
    record_audit(session, actor, "api_key.deleted", key.id, name=key.name)


async def note_use(session: AsyncSession, key_id: str, now: datetime) -> None:
    """Remember that a key was used; does nothing if that was noted less than a minute ago."""
    stale = or_(ApiKeyRecord.last_used_at.is_(None), ApiKeyRecord.last_used_at < now - USE_NOTED_EVERY)
    await session.execute(update(ApiKeyRecord).where(ApiKeyRecord.id == key_id, stale).values(last_used_at=now))
