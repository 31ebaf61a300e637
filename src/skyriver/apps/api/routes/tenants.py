"""Tenants: the operator makes them, their own admins rename them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import select

from skyriver.apps.api.routes.views import TenantView, UserView, View
from skyriver.platform.identity import Passwords, generate_password
from skyriver.platform.identity.records import TenantRecord
from skyriver.platform.identity.tenants import create_tenant, get_tenant, rename_tenant
from skyriver.platform.web import (
    Admin,
    Body,
    Caller,
    Email,
    Name,
    Once,
    Operator,
    Page,
    Paging,
    Provided,
    Reader,
    RuntimeDep,
    Slug,
    Writer,
    fetch_page,
    problems,
)

router = APIRouter(prefix="/v1", tags=["tenants"])


class TenantChange(Body):
    name: Name


class NewTenant(Body):
    name: Name
    slug: Slug
    owner_email: Email


class CreatedTenant(View):
    tenant: TenantView
    owner: UserView
    owner_password: str = Field(description="Generated for the owner's first sign-in. Shown once.")


@router.get("/tenant")
async def get_own_tenant(caller: Caller, reader: Reader) -> TenantView:
    """The caller's tenant."""
    return TenantView.model_validate(await get_tenant(reader, caller.tenant_id))


@router.patch("/tenant")
async def change_own_tenant(body: TenantChange, caller: Admin, writer: Writer) -> TenantView:
    """Rename the caller's tenant."""
    return TenantView.model_validate(await rename_tenant(writer, caller, body.name))


@router.get("/tenants")
async def list_tenants(caller: Operator, reader: Reader, paging: Paging) -> Page[TenantView]:
    """Every tenant of this cloud. Operators only."""
    rows, cursor = await fetch_page(reader, select(TenantRecord), TenantRecord.id, paging)
    return Page(items=[TenantView.model_validate(row) for row in rows], next_cursor=cursor)


@router.post("/tenants", status_code=201, responses=problems(409, 429))
async def make_tenant(
    body: NewTenant,
    caller: Operator,
    runtime: RuntimeDep,
    once: Once,
    passwords: Annotated[Passwords, Provided(Passwords)],
) -> CreatedTenant:
    """Make a tenant with a first owner. Operators only."""
    password = generate_password()
    password_hash = await passwords.hash(password)  # outside the transaction: it takes long
    async with runtime.store.transaction() as session:

        async def create() -> CreatedTenant:
            tenant, owner = await create_tenant(
                session,
                caller,
                name=body.name,
                slug=body.slug,
                owner_email=body.owner_email,
                owner_password_hash=password_hash,
            )
            return CreatedTenant(
                tenant=TenantView.model_validate(tenant),
                owner=UserView.model_validate(owner),
                owner_password=password,
            )

        return await once(session, caller, body, CreatedTenant, create)
