"""Stores for tests of what only one of the databases does."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from skyriver.platform.store import Store
from tests.conftest import postgres_database

NOBODY = 65534


@pytest.fixture
async def sqlite_store(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Store]:
    """A migrated store in an SQLite file."""
    shutil.copy(sqlite_template, tmp_path / "one.db")
    store = Store(f"sqlite:///{tmp_path / 'one.db'}")
    yield store
    await store.close()


@pytest.fixture
async def postgres_store(postgres_url: str, postgres_template: str) -> AsyncIterator[Store]:
    """A migrated store on PostgreSQL."""
    async with postgres_database(postgres_url, postgres_template) as url:
        store = Store(url)
        yield store
        await store.close()


@pytest.fixture
def unprivileged_folder() -> Iterator[Path]:
    """A folder that may be read and not written, and a process that is not root: root may write everywhere."""
    folder = Path(tempfile.mkdtemp(prefix="skyriver-read-only-"))
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.fixture
def unused_tcp_port() -> int:
    """A port nobody listens on: bound a moment ago and closed again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
