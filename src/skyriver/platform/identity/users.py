"""The users of one tenant. Admins manage them, but nobody gives, changes or takes a role above the own one."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.fabric_keys import revoke_issued_for
from skyriver.platform.identity.audit import record_audit
from skyriver.platform.identity.errors import EmailTaken, LastOwner, NoSuchUser, RoleTooHigh
from skyriver.platform.identity.principals import Principal, Role, role_covers
from skyriver.platform.identity.records import SessionRecord, UserRecord


async def create_user(
    session: AsyncSession, actor: Principal, *, email: str, name: str, role: Role, password_hash: str
) -> UserRecord:
    """A user of the actor's tenant.

    Raises:
        EmailTaken: the tenant has one with this address.
        RoleTooHigh: the role is above the actor's.
    """
    _check_role(actor, role)
    user = UserRecord(tenant_id=actor.tenant_id, email=email.lower(), name=name, role=role, password_hash=password_hash)
    session.add(user)
    try:
        await session.flush()
    except IntegrityError as error:
        raise EmailTaken(email) from error
    record_audit(session, actor, "user.created", user.id, email=user.email, role=role)
    return user


async def get_user(session: AsyncSession, actor: Principal, user_id: str) -> UserRecord:
    """A user of the actor's tenant.

    Raises:
        NoSuchUser: there is none, or it belongs to another tenant.
    """
    query = select(UserRecord).where(UserRecord.id == user_id, UserRecord.tenant_id == actor.tenant_id)
    if (user := (await session.scalars(query)).one_or_none()) is None:
        raise NoSuchUser(user_id)
    return user


async def update_user(
    session: AsyncSession,
    actor: Principal,
    user_id: str,
    *,
    name: str | None = None,
    role: Role | None = None,
    password_hash: str | None = None,
) -> UserRecord:
    """Change what is not None. A new password closes the user's sessions and ends the grants it was given.

    Raises:
        NoSuchUser: there is none in the actor's tenant.
        RoleTooHigh: the user's present or new role is above the actor's.
        LastOwner: the tenant would be left without an owner.
    """
    user = await get_user(session, actor, user_id)
    _check_role(actor, user.role)
    if role is not None and role != user.role:
        _check_role(actor, role)
        await _keep_an_owner(session, user)
        record_audit(session, actor, "user.role_changed", user.id, before=user.role, after=role)
        user.role = role
    if name is not None and name != user.name:
        record_audit(session, actor, "user.renamed", user.id, before=user.name, after=name)
        user.name = name
    if password_hash is not None:
        user.password_hash = password_hash
        await session.execute(delete(SessionRecord).where(SessionRecord.user_id == user.id))
        await revoke_issued_for(session, user.id, "its user has a new password")
        record_audit(session, actor, "user.password_changed", user.id)
    return user


async def delete_user(session: AsyncSession, actor: Principal, user_id: str) -> None:
    """Remove a user, its sessions and the grants it was given. Raises as `update_user` does."""
    user = await get_user(session, actor, user_id)
    _check_role(actor, user.role)
    await _keep_an_owner(session, user)
    await session.delete(user)
    await revoke_issued_for(session, user.id, "its user was deleted")
    record_audit(session, actor, "user.deleted", user.id, email=user.email, role=user.role)


def _check_role(actor: Principal, role: str) -> None:
    if not role_covers(actor.role, role):  # type: ignore[arg-type]  # the table's check constraint says it is a Role
        raise RoleTooHigh(role, actor.role)


async def _keep_an_owner(session: AsyncSession, user: UserRecord) -> None:
    """Refuse if `user` is the last owner. The rows are locked: two owners may not demote each other at once."""
    if user.role != "owner":
        return
    owners = select(UserRecord.id).where(UserRecord.tenant_id == user.tenant_id, UserRecord.role == "owner")
    if len((await session.scalars(owners.with_for_update())).all()) < 2:
        raise LastOwner()
