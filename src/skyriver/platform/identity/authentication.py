"""From a presented credential to a principal."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.identity.principals import Principal, Role
from skyriver.platform.identity.records import ApiKeyRecord, SessionRecord, TenantRecord, UserRecord
from skyriver.platform.identity.secrets import hash_secret, secret_kind


async def principal_of(session: AsyncSession, credential: str, now: datetime) -> Principal | None:
    """Who presents `credential` (an API key or a session token); None when it opens nothing (any more)."""
    match secret_kind(credential):
        case "key":
            return await _by_api_key(session, credential)
        case "ses":
            return await _by_session(session, credential, now)
        case _:
            return None


async def _by_api_key(session: AsyncSession, credential: str) -> Principal | None:
    query = (
        select(ApiKeyRecord, TenantRecord.is_operator)
        .join(TenantRecord, TenantRecord.id == ApiKeyRecord.tenant_id)
        .where(ApiKeyRecord.secret_sha256 == hash_secret(credential))
    )
    if (row := (await session.execute(query)).one_or_none()) is None:
        return None
    key, is_operator = row
    return Principal("api_key", key.id, key.tenant_id, cast(Role, key.role), is_operator, key.id)


async def _by_session(session: AsyncSession, credential: str, now: datetime) -> Principal | None:
    query = (
        select(SessionRecord.id, UserRecord, TenantRecord.is_operator)
        .join(UserRecord, UserRecord.id == SessionRecord.user_id)
        .join(TenantRecord, TenantRecord.id == UserRecord.tenant_id)
        .where(SessionRecord.token_sha256 == hash_secret(credential), SessionRecord.expires_at > now)
    )
    if (row := (await session.execute(query)).one_or_none()) is None:
        return None
    session_id, user, is_operator = row
    return Principal("user", user.id, user.tenant_id, cast(Role, user.role), is_operator, session_id)
