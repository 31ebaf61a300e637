"""Fixtures everybody uses: a store on each database, and an API over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skyriver.platform.store import Base, Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A migrated, empty store."""
    store = Store(f"sqlite:///{tmp_path / 'test.db'}")
    async with store.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield store
    await store.close()
