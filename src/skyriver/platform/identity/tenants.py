"""Tenants: made by the operator, renamed by their own admins."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.errors import NotFound
from skyriver.platform.identity.audit import record_audit
from skyriver.platform.identity.errors import SlugTaken
from skyriver.platform.identity.principals import Principal
from skyriver.platform.identity.records import TenantRecord, UserRecord


async def get_tenant(session: AsyncSession, tenant_id: str) -> TenantRecord:
    """The tenant.

    Raises:
        NotFound: it is gone.
    """
    if (tenant := await session.get(TenantRecord, tenant_id)) is None:
        raise NotFound(f"There is no tenant {tenant_id}.")
    return tenant


async def create_tenant(
    session: AsyncSession, actor: Principal, *, name: str, slug: str, owner_email: str, owner_password_hash: str
) -> tuple[TenantRecord, UserRecord]:
    """A tenant and its first owner.

    Raises:
        SlugTaken: another tenant has the slug.
    """
    tenant = TenantRecord(name=name, slug=slug)
    session.add(tenant)
    try:
        await session.flush()
    except IntegrityError as error:
        raise SlugTaken(slug) from error
    owner = UserRecord(tenant_id=tenant.id, email=owner_email.lower(), role="owner", password_hash=owner_password_hash)
    session.add(owner)
    await session.flush()
    record_audit(session, actor, "tenant.created", tenant.id, name=name, slug=slug)
    record_audit(session, actor, "user.created", owner.id, tenant_id=tenant.id, email=owner.email, role="owner")
    return tenant, owner


async def rename_tenant(session: AsyncSession, actor: Principal, name: str) -> TenantRecord:
    """Change the name of the actor's own tenant. The slug stays: public addresses hold it."""
    tenant = await get_tenant(session, actor.tenant_id)
    record_audit(session, actor, "tenant.renamed", tenant.id, before=tenant.name, after=name)
    tenant.name = name
    return tenant
