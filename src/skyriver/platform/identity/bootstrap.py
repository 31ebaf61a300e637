"""The first run: the operator's tenant, its owner, and a key for the command line."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.identity.api_keys import create_api_key
from skyriver.platform.identity.audit import record_audit
from skyriver.platform.identity.passwords import Passwords, generate_password
from skyriver.platform.identity.principals import Principal
from skyriver.platform.identity.records import TenantRecord, UserRecord
from skyriver.platform.store import Store

OPERATOR_SLUG = "skyriver"
OWNER_EMAIL = "admin@skyriver.local"


@dataclass(frozen=True)
class FirstLogin:
    """What the first run made. Both secrets are known only now."""

    tenant_id: str
    email: str
    password: str = field(repr=False)
    api_key: str = field(repr=False)


async def bootstrap(store: Store, passwords: Passwords | None = None) -> FirstLogin | None:
    """Make the operator's tenant, an owner with a generated password, and an owner's API key; None if done before."""
    async with store.session() as session:
        if await _exists(session):
            return None
    password = generate_password()
    password_hash = await (passwords or Passwords()).hash(password)
    try:
        return await _make(store, password, password_hash)
    except IntegrityError:
        return None  # another process was a moment faster


async def _make(store: Store, password: str, password_hash: str) -> FirstLogin | None:
    async with store.transaction() as session:
        if await _exists(session):
            return None
        tenant = TenantRecord(name="Skyriver", slug=OPERATOR_SLUG, is_operator=True)
        session.add(tenant)
        await session.flush()
        owner = UserRecord(
            tenant_id=tenant.id, email=OWNER_EMAIL, name="Operator", role="owner", password_hash=password_hash
        )
        session.add(owner)
        await session.flush()
        actor = Principal("user", owner.id, tenant.id, "owner", is_operator=True)
        record_audit(session, actor, "tenant.created", tenant.id, slug=OPERATOR_SLUG)
        _key, api_key = await create_api_key(session, actor, name="command line", role="owner")
        return FirstLogin(tenant.id, OWNER_EMAIL, password, api_key)


async def _exists(session: AsyncSession) -> bool:
    return (await session.scalars(select(TenantRecord.id).where(TenantRecord.is_operator).limit(1))).first() is not None
