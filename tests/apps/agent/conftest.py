"""A real cluster for tests of agents."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skyriver.platform.store import Store
from tests.apps.agent.small_cluster import SmallCluster, small_cluster


@pytest.fixture
async def cluster(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[SmallCluster]:
    """The bus and the API, over SQLite: what differs between databases is tested without processes."""
    shutil.copy(sqlite_template, tmp_path / "skyriver.db")
    store = Store(f"sqlite:///{tmp_path / 'skyriver.db'}")
    async with small_cluster(store, tmp_path) as cluster:
        yield cluster
    await store.close()


@pytest.fixture
async def relay_cluster(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[SmallCluster]:
    """The same, with real relays."""
    shutil.copy(sqlite_template, tmp_path / "skyriver.db")
    store = Store(f"sqlite:///{tmp_path / 'skyriver.db'}")
    async with small_cluster(store, tmp_path, relays=True) as cluster:
        yield cluster
    await store.close()
