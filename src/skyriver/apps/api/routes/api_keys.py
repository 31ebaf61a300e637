"""The API keys of the caller's tenant."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import select

from skyriver.apps.api.routes.views import ApiKeyView
from skyriver.platform.identity import Role
from skyriver.platform.identity.api_keys import create_api_key, delete_api_key
from skyriver.platform.identity.records import ApiKeyRecord
from skyriver.platform.web import Admin, Body, Name, Once, Page, Paging, Reader, Writer, fetch_page, problems

router = APIRouter(prefix="/v1/api-keys", tags=["api-keys"])


class NewApiKey(Body):
    name: Name
    role: Role = "member"


class CreatedApiKey(ApiKeyView):
    secret: str = Field(description="The key itself. Shown once.")


@router.get("")
async def list_api_keys(caller: Admin, reader: Reader, paging: Paging) -> Page[ApiKeyView]:
    """The keys of the caller's tenant, without their secrets."""
    query = select(ApiKeyRecord).where(ApiKeyRecord.tenant_id == caller.tenant_id)
    rows, cursor = await fetch_page(reader, query, ApiKeyRecord.id, paging)
    return Page(items=[ApiKeyView.model_validate(row) for row in rows], next_cursor=cursor)


@router.post("", status_code=201, responses=problems(409))
async def make_api_key(body: NewApiKey, caller: Admin, writer: Writer, once: Once) -> CreatedApiKey:
    """Make a key with a role of its own, at most the caller's."""

    async def create() -> CreatedApiKey:
        key, secret = await create_api_key(writer, caller, name=body.name, role=body.role)
        return CreatedApiKey(**ApiKeyView.model_validate(key).model_dump(), secret=secret)

    return await once(writer, caller, body, CreatedApiKey, create)


@router.delete("/{key_id}", status_code=204, responses=problems(404))
async def revoke_api_key(key_id: str, caller: Admin, writer: Writer) -> None:
    """Revoke a key, at once."""
    await delete_api_key(writer, caller, key_id)
