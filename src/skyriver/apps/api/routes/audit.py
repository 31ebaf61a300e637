"""The audit log of the caller's tenant."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import select

from skyriver.apps.api.routes.views import AuditView
from skyriver.platform.identity.records import AuditRecord
from skyriver.platform.web import Admin, Page, Paging, Reader, fetch_page

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get("")
async def list_audit(caller: Admin, reader: Reader, paging: Paging) -> Page[AuditView]:
    """Every change made in the caller's tenant, newest first."""
    query = select(AuditRecord).where(AuditRecord.tenant_id == caller.tenant_id)
    rows, cursor = await fetch_page(reader, query, AuditRecord.id, paging, newest_first=True)
    return Page(items=[AuditView.model_validate(row) for row in rows], next_cursor=cursor)
