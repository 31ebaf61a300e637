"""A cloud's API served in the test's own process: an operator's tenant and two others, each with every role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI

from skyriver.apps.api import create_app
from skyriver.apps.api.composition import PARTS, SERVICES
from skyriver.kernel.clock import utc_now
from skyriver.platform.identity import ROLES, FirstLogin, Passwords, Principal, Role, bootstrap
from skyriver.platform.identity.api_keys import create_api_key
from skyriver.platform.identity.tenants import create_tenant
from skyriver.platform.manifest import Part, Service
from skyriver.platform.settings import ControlPlaneSettings
from skyriver.platform.store import Store
from skyriver.platform.web.runtime import Runtime

PASSWORD = "correct horse battery"


def cheap_passwords() -> Passwords:
    """Argon2id with the least it takes: tests check what is done with hashes, not what they cost."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@dataclass
class TenantInTest:
    """One tenant, its owner, and an API key for each role."""

    id: str
    slug: str
    owner_id: str
    owner_email: str
    keys: dict[Role, str] = field(default_factory=dict)


@dataclass
class Cloud:
    """An API in this process."""

    app: FastAPI
    runtime: Runtime
    store: Store
    first_login: FirstLogin
    operator: TenantInTest
    red: TenantInTest
    blue: TenantInTest
    _stack: AsyncExitStack

    @property
    def tenants(self) -> tuple[TenantInTest, TenantInTest, TenantInTest]:
        """All three."""
        return self.operator, self.red, self.blue

    async def client(self, credential: str | None = None, *, address: str = "192.0.2.1") -> httpx.AsyncClient:
        """An HTTP client, closed with the cloud."""
        transport = httpx.ASGITransport(app=self.app, client=(address, 1234), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {credential}"} if credential else {}
        client = httpx.AsyncClient(transport=transport, base_url="http://sky.test", headers=headers)
        return await self._stack.enter_async_context(client)

    async def as_(self, tenant: TenantInTest, role: Role = "owner") -> httpx.AsyncClient:
        """A client with a tenant's API key."""
        return await self.client(tenant.keys[role])


@asynccontextmanager
async def open_cloud(
    store: Store,
    data_dir: Path,
    *,
    parts: Sequence[Part] = PARTS,
    services: Sequence[Service] = SERVICES,
    now: Callable[[], datetime] = utc_now,
    **settings: Any,
) -> AsyncIterator[Cloud]:
    """Serve an API over `store`, which must be migrated and empty."""
    passwords = cheap_passwords()
    first = await bootstrap(store, passwords)
    assert first is not None
    app = create_app(
        ControlPlaneSettings(data_dir=data_dir, **settings),
        store=store,
        parts=parts,
        services=services,
        passwords=passwords,
        now=now,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        operator = await _operator(store, first)
        red, blue = [await _tenant(store, passwords, operator, name) for name in ("red", "blue")]
        yield Cloud(app, app.state.runtime, store, first, operator, red, blue, stack)


async def _operator(store: Store, first: FirstLogin) -> TenantInTest:
    tenant = TenantInTest(first.tenant_id, "skyriver", "", first.email)
    await _make_keys(store, tenant, is_operator=True)
    return tenant


async def _tenant(store: Store, passwords: Passwords, operator: TenantInTest, name: str) -> TenantInTest:
    actor = Principal("service", "test", operator.id, "owner", is_operator=True)
    password_hash = await passwords.hash(PASSWORD)
    email = f"owner@{name}.test"
    async with store.transaction() as session:
        record, owner = await create_tenant(
            session, actor, name=name.title(), slug=name, owner_email=email, owner_password_hash=password_hash
        )
    tenant = TenantInTest(record.id, name, owner.id, email)
    await _make_keys(store, tenant, is_operator=False)
    return tenant


async def _make_keys(store: Store, tenant: TenantInTest, *, is_operator: bool) -> None:
    actor = Principal("service", "test", tenant.id, "owner", is_operator=is_operator)
    async with store.transaction() as session:
        for role in ROLES:
            _key, tenant.keys[role] = await create_api_key(session, actor, name=role, role=role)
