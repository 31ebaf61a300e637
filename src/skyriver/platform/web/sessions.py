"""Store sessions for routes. The commit happens when the route is done and BEFORE its answer is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.web.runtime import RuntimeDep


async def _reader(runtime: RuntimeDep) -> AsyncIterator[AsyncSession]:
    async with runtime.store.session() as session:
        yield session


async def _writer(runtime: RuntimeDep) -> AsyncIterator[AsyncSession]:
    async with runtime.store.transaction() as session:
        yield session


# scope="function": FastAPI otherwise leaves dependencies only after the answer is sent, so that a write would be
# acknowledged before it is stored.
Reader = Annotated[AsyncSession, Depends(_reader, scope="function")]
"""A session to read with."""
Writer = Annotated[AsyncSession, Depends(_writer, scope="function")]
"""A transaction: commits when the route returns, rolls back when it raises. Declare it AFTER the caller."""
