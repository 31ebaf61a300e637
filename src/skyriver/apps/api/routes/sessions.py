"""Signing in and out, and who one is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from skyriver.apps.api.routes.views import TenantView, UserView, View
from skyriver.platform.identity import Passwords, PrincipalKind, Role
from skyriver.platform.identity.passwords import MAX_PASSWORD_CHARS
from skyriver.platform.identity.records import UserRecord
from skyriver.platform.identity.sessions import SESSION_LIFE, sign_in, sign_out
from skyriver.platform.identity.tenants import get_tenant
from skyriver.platform.web import Body, Caller, Email, Provided, Reader, RuntimeDep, Slug, problems
from skyriver.platform.web.auth import COOKIE

router = APIRouter(prefix="/v1", tags=["sessions"])


class SignIn(Body):
    email: Email
    password: str = Field(max_length=MAX_PASSWORD_CHARS)
    tenant: Slug | None = Field(None, description="Slug; only needed by people who use one address in several tenants.")


class SessionView(View):
    token: str = Field(description="Send it as `Authorization: Bearer …`. Shown once.")
    expires_at: datetime
    user: UserView
    tenant: TenantView
    role: Role


class Me(View):
    kind: PrincipalKind
    id: str
    role: Role
    is_operator: bool
    tenant: TenantView
    user: UserView | None = Field(None, description="Null for an API key.")


@router.post("/sessions", status_code=201, responses=problems(401, 403, 429))
async def open_session(
    body: SignIn,
    request: Request,
    response: Response,
    runtime: RuntimeDep,
    passwords: Annotated[Passwords, Provided(Passwords)],
) -> SessionView:
    """Sign in. Also sets a cookie for browsers; failures are slowed per account and address."""
    signed_in = await sign_in(
        runtime.store,
        passwords,
        email=body.email,
        password=body.password,
        tenant=body.tenant,
        address=request.client.host if request.client else "",
        now=runtime.now(),
    )
    response.set_cookie(
        COOKIE,
        signed_in.token,
        max_age=int(SESSION_LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=runtime.settings.public_url.startswith("https:"),
    )
    return SessionView(
        token=signed_in.token,
        expires_at=signed_in.expires_at,
        user=UserView.model_validate(signed_in.user),
        tenant=TenantView.model_validate(signed_in.tenant),
        role=UserView.model_validate(signed_in.user).role,
    )


@router.delete("/sessions/current", status_code=204)
async def close_session(caller: Caller, response: Response, runtime: RuntimeDep) -> None:
    """Sign out: the session ends everywhere. An API key has no session; nothing happens to it."""
    if caller.kind == "user":
        await sign_out(runtime.store, caller)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")


@router.get("/me")
async def get_me(caller: Caller, reader: Reader) -> Me:
    """Who is asking, in which tenant, with which role."""
    user = await reader.get(UserRecord, caller.id) if caller.kind == "user" else None
    return Me(
        kind=caller.kind,
        id=caller.id,
        role=caller.role,
        is_operator=caller.is_operator,
        tenant=TenantView.model_validate(await get_tenant(reader, caller.tenant_id)),
        user=UserView.model_validate(user) if user else None,
    )
