"""The migrated schema is the tables' schema, on both databases, and migrating again or at once changes nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, inspect

import skyriver
import skyriver.platform.store.migrations as migrations
from skyriver.apps.api.schema import whole_schema
from skyriver.platform.store import Store


@pytest.fixture
async def migrated(empty_database_url: str) -> AsyncIterator[Store]:
    """A store that nothing but migrations has touched."""
    store = Store(empty_database_url)
    await store.migrate()
    yield store
    await store.close()


async def test_the_migrated_schema_is_what_the_tables_say(migrated: Store) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, whole_schema()))

    async with migrated.engine.connect() as connection:
        found = await connection.run_sync(differences)
    assert found == [], "tables changed: run `python -m skyriver.apps.api.schema MESSAGE`"


async def test_check_constraints_are_migrated_too(migrated: Store) -> None:
    """Alembic does not compare these by itself."""

    def names(connection: Connection) -> set[str]:
        inspector = inspect(connection)
        return {str(c["name"]) for table in inspector.get_table_names() for c in inspector.get_check_constraints(table)}

    async with migrated.engine.connect() as connection:
        found = await connection.run_sync(names)
    wanted = {
        str(constraint.name)
        for table in whole_schema().tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }
    assert found == wanted


_MIGRATE = "import asyncio, sys; from skyriver.platform.store import Store; asyncio.run(Store(sys.argv[1]).migrate())"


async def test_migrating_from_three_processes_at_once_and_once_more(empty_database_url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", _MIGRATE, empty_database_url, env=_environment())
        for _ in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    store = Store(empty_database_url)
    try:
        await store.migrate()
        async with store.engine.connect() as connection:
            tables = await connection.run_sync(lambda c: set(inspect(c).get_table_names()))
        assert set(whole_schema().tables) <= tables
    finally:
        await store.close()


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(skyriver.__file__).parents[1])}


def test_every_revision_is_inside_the_package() -> None:
    versions = Path(str(migrations.__file__)).parent / "versions"
    assert sorted(path.name[:4] for path in versions.glob("[0-9]*.py"))[0] == "0001"
