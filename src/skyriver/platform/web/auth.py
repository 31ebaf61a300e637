"""Who is asking, as FastAPI dependencies.

    async def list_channels(caller: Caller, ...)        # anybody signed in
    async def create_channel(caller: Member, ...)       # at least a member of the tenant
    async def create_site(caller: Operator, ...)        # an admin of the tenant that runs the cloud

A browser presents a cookie. Because cookies travel by themselves, unsafe methods then also need the header
`X-Skyriver-Csrf: 1`, which a foreign page cannot add without CORS permission (and we give none).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from skyriver.kernel.errors import NotAllowed, NotAuthenticated
from skyriver.platform.identity import Principal, Role, principal_of, secret_kind
from skyriver.platform.web.runtime import RuntimeDep

COOKIE = "skyriver_session"
CSRF_HEADER = "X-Skyriver-Csrf"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_bearer = HTTPBearer(auto_error=False, description="An API key (sky_key_…) or a session token (sky_ses_…).")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="Set by POST /v1/sessions.")


async def credential_of(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> str:
    """The presented credential.

    Raises:
        NotAuthenticated: there is none.
        NotAllowed: it came as a cookie, without the header that proves that our own page asks.
    """
    if bearer is not None:
        return bearer.credentials
    if cookie is None:
        raise NotAuthenticated(
            "This needs a credential and none was given.",
            hint="Sign in with POST /v1/sessions, or send an API key as `Authorization: Bearer sky_key_…`.",
        )
    if request.method not in _SAFE_METHODS and request.headers.get(CSRF_HEADER) != "1":
        raise NotAllowed(
            "A change asked for with a cookie needs proof that it comes from the console.",
            hint=f"Send the header {CSRF_HEADER}: 1.",
            code="csrf",
        )
    return cookie


Credential = Annotated[str, Depends(credential_of)]


async def current_principal(request: Request, credential: Credential, runtime: RuntimeDep) -> Principal:
    """Who is asking.

    Raises:
        NotAuthenticated: the credential is unknown, expired or revoked.
    """
    principal: Principal | None = None
    if secret_kind(credential) is not None:
        async with runtime.store.session() as session:
            principal = await principal_of(session, credential, runtime.now())
        if principal is not None and principal.kind == "api_key":
            runtime.key_uses.add(principal.id)
    else:
        for authenticate in runtime.authenticators:
            if (principal := await authenticate(request, credential)) is not None:
                break
    if principal is None:
        raise NotAuthenticated(
            "The credential is unknown, expired or revoked.", hint="Sign in again, or make a new API key."
        )
    request.state.principal = principal
    return principal


AnyCaller = Annotated[Principal, Depends(current_principal)]
"""Any principal, nodes and services too."""


async def current_caller(principal: AnyCaller) -> Principal:
    """A user or an API key: nodes and services have routes of their own."""
    if principal.kind not in ("user", "api_key"):
        raise NotAllowed(f"A {principal.kind} may not use this route.")
    return principal


Caller = Annotated[Principal, Depends(current_caller)]
"""Any user or API key; of whatever role."""


class require:  # noqa: N801 (used like a function: Depends(require("admin")))
    """Dependency: a caller who holds at least `role` in its tenant."""

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, caller: Caller) -> Principal:
        if not caller.covers(self.role):
            raise NotAllowed(
                f"This needs the role {self.role} and you are {caller.role}.", hint="Ask an owner of your tenant."
            )
        return caller


async def require_operator(caller: Annotated[Principal, Depends(require("admin"))]) -> Principal:
    """Dependency: an admin of the tenant that runs this cloud."""
    if not caller.is_operator:
        raise NotAllowed("Only the operator of this cloud may do this.")
    return caller


async def require_node(principal: AnyCaller) -> Principal:
    """Dependency: a node of this cloud."""
    if principal.kind != "node":
        raise NotAllowed("Only a node may use this route.")
    return principal


Member = Annotated[Principal, Depends(require("member"))]
Admin = Annotated[Principal, Depends(require("admin"))]
Owner = Annotated[Principal, Depends(require("owner"))]
Operator = Annotated[Principal, Depends(require_operator)]
Node = Annotated[Principal, Depends(require_node)]
