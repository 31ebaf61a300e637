"""Signing in and out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from skyriver.platform.identity.audit import record_audit
from skyriver.platform.identity.errors import WrongCredentials
from skyriver.platform.identity.passwords import Passwords
from skyriver.platform.identity.principals import Principal
from skyriver.platform.identity.records import SessionRecord, TenantRecord, UserRecord
from skyriver.platform.identity.secrets import hash_secret, new_secret
from skyriver.platform.identity.throttle import count_attempt, forgive
from skyriver.platform.store import Store

SESSION_LIFE = timedelta(days=14)
MAX_TENANTS_TRIED = 4  # each costs an argon2; whoever is in more tenants names one


@dataclass(frozen=True)
class SignedIn:
    """A fresh session. `token` is shown once."""

    token: str
    expires_at: datetime
    user: UserRecord
    tenant: TenantRecord


async def sign_in(
    store: Store, passwords: Passwords, *, email: str, password: str, tenant: str | None, address: str, now: datetime
) -> SignedIn:
    """Open a session for the user with this address and password.

    Args:
        tenant: slug of the tenant, for people who use one address in several.
        address: where the attempt comes from; throttling counts per account and address.

    Raises:
        TooMany: too many failures; nothing was checked.
        WrongCredentials: no user of the (or any) tenant fits, or several do and no tenant was named.
    """
    email = email.strip().lower()
    await _count(store, email, address, now)
    query = (
        select(UserRecord, TenantRecord)
        .join(TenantRecord, TenantRecord.id == UserRecord.tenant_id)
        .where(UserRecord.email == email)
        .order_by(UserRecord.id)
        .limit(MAX_TENANTS_TRIED)
    )
    if tenant is not None:
        query = query.where(TenantRecord.slug == tenant)
    async with store.session() as session:
        candidates = list(await session.execute(query))
    fitting = [(user, of) for user, of in candidates if await passwords.verify(user.password_hash, password)]
    if not candidates:
        await passwords.verify(None, password)
    if len(fitting) != 1:
        raise WrongCredentials()
    return await _open_session(store, *fitting[0], email=email, address=address, now=now)


async def _count(store: Store, email: str, address: str, now: datetime) -> None:
    """Count the attempt; two first attempts at once may collide on PostgreSQL, and the second then counts again."""
    try:
        async with store.transaction() as session:
            await count_attempt(session, email, address, now)
    except IntegrityError:
        async with store.transaction() as session:
            await count_attempt(session, email, address, now)


async def _open_session(
    store: Store, user: UserRecord, tenant: TenantRecord, *, email: str, address: str, now: datetime
) -> SignedIn:
    token = new_secret("ses")
    record = SessionRecord(user_id=user.id, token_sha256=hash_secret(token), expires_at=now + SESSION_LIFE)
    actor = Principal("user", user.id, user.tenant_id, "viewer")
    async with store.transaction() as session:
        still = select(UserRecord.password_hash).where(UserRecord.id == user.id)
        if (await session.scalars(still)).one_or_none() != user.password_hash:
            raise WrongCredentials()  # deleted, or given another password, while this one was being checked
        await session.execute(delete(SessionRecord).where(SessionRecord.expires_at <= now))
        await forgive(session, email, address)
        session.add(record)
        await session.flush()
        record_audit(session, actor, "session.opened", record.id, address=address)
    return SignedIn(token, record.expires_at, user, tenant)


async def sign_out(store: Store, principal: Principal) -> None:
    """Close the session that `principal` presented. Closing twice is fine."""
    async with store.transaction() as session:
        await session.execute(delete(SessionRecord).where(SessionRecord.id == principal.credential_id))
        record_audit(session, principal, "session.closed", principal.credential_id)
