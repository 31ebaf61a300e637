"""Tenants and principals for the tests of live channels."""

from __future__ import annotations

import pytest

from skyriver.kernel.ids import new_id
from skyriver.platform.identity import Principal
from skyriver.platform.identity.records import TenantRecord
from skyriver.platform.store import Store


async def add_tenant(store: Store, slug: str, *, is_operator: bool = False) -> Principal:
    """A tenant, and a user of it who may do everything."""
    async with store.transaction() as session:
        tenant = TenantRecord(slug=slug, name=slug.title(), is_operator=is_operator)
        session.add(tenant)
        await session.flush()
        return Principal("user", new_id("us"), tenant.id, "owner", is_operator=is_operator)


@pytest.fixture
async def alice(store: Store) -> Principal:
    """The owner of one tenant."""
    return await add_tenant(store, "alice")


@pytest.fixture
async def bob(store: Store) -> Principal:
    """The owner of another."""
    return await add_tenant(store, "bob")
