"""The one door to the SQL store: sessions to read with, transactions that commit at the edge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from skyriver.platform.store.engine import BEGIN_OPTION, normalise_url, open_engine
from skyriver.platform.store.faults import explained
from skyriver.platform.store.migrate import upgrade_to_head


class Store:
    """An SQLite file or a PostgreSQL database.

    Args:
        url: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`.

    Work happens in `session()` (reads) or `transaction()` (commits when the block ends, rolls back when it raises).
    Errors of the disk or the server come out as `WorldBroke` or `NotReady` with a hint.
    """

    def __init__(self, url: str) -> None:
        self.url = normalise_url(url)
        self.is_sqlite = self.url.startswith("sqlite")
        self.engine = open_engine(self.url)
        self._writing = self.engine.execution_options(**{BEGIN_OPTION: "IMMEDIATE"}) if self.is_sqlite else self.engine
        self._readers = async_sessionmaker(self.engine, expire_on_commit=False)
        self._writers = async_sessionmaker(self._writing, expire_on_commit=False)
        # SQLite has one writer at a time: queueing here is fair and free, queueing in the library is polling.
        self._write_turn: asyncio.Lock | None = asyncio.Lock() if self.is_sqlite else None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session to read with; whatever it changed is rolled back at the end."""
        with explained("read the store"):
            async with self._readers() as session:
                yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose changes are committed when the block ends, and rolled back when it raises.

        Keep it short, and never wait for anything but the store inside: on SQLite every other writer queues behind.
        """
        with explained("write to the store"):
            async with self._write_turn or nullcontext(), self._writers() as session, session.begin():
                yield session

    async def migrate(self) -> None:
        """Bring the schema to this version's. Safe to call at every start and from several processes at once."""
        with explained("bring the store's schema up to date"):
            async with self._writing.begin() as connection:
                await connection.run_sync(upgrade_to_head)

    async def check(self) -> None:
        """Raise unless the store answers; for readiness."""
        async with self.session() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Give back every connection."""
        await self.engine.dispose()
