"""Engines for the two databases: an acknowledged write survives a power cut, and nobody waits for ever."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from skyriver.kernel.errors import InvalidInput

BUSY_TIMEOUT_MS = 10_000  # longer than any transaction of ours; a writer that waits longer has found a fault
POOL_SIZE = 8
POOL_OVERFLOW = 8
POOL_WAIT_S = 10.0
BEGIN_OPTION = "skyriver_begin"


def normalise_url(url: str) -> str:
    """The URL with the async driver named: `sqlite:///…` and `postgresql://…` are what people write.

    Raises:
        InvalidInput: the URL cannot be parsed, or names a database that is not supported.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput(
            "The database URL cannot be parsed.", hint="Use sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME."
        ) from error
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    driver = drivers.get(parsed.get_backend_name() if parsed.drivername != "postgres" else "postgres")
    if driver is None:
        raise InvalidInput(
            f"The database kind {parsed.drivername!r} is not supported.", hint="Use sqlite:/// or postgresql://."
        )
    return parsed.set(drivername=driver).render_as_string(hide_password=False)


def open_engine(url: str) -> AsyncEngine:
    """An engine for `url` (already normalised). Opens no connection yet."""
    common: dict[str, Any] = {"pool_size": POOL_SIZE, "max_overflow": POOL_OVERFLOW, "pool_timeout": POOL_WAIT_S}
    if url.startswith("sqlite"):
        engine = create_async_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, **common)
        event.listen(engine.sync_engine, "connect", _set_up_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    return create_async_engine(url, pool_pre_ping=True, connect_args={"timeout": POOL_WAIT_S}, **common)


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    """Pragmas of one connection. FULL costs one fsync a commit and is what makes "stored" true after a power cut."""
    connection.isolation_level = None  # we emit BEGIN ourselves: the driver's own opens transactions too late
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Writers take the write lock at once: upgrading a read transaction later fails with "locked" and no wait."""
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get(BEGIN_OPTION, 'DEFERRED')}")
