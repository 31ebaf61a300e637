"""One command's conversation with the cloud."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from skyriver.client import Client

R = TypeVar("R")


def ask(data: Path | None, question: Callable[[Client], Awaitable[R]]) -> R:
    """Run `question` with a client of the cloud that `data` (or the environment) names, and return its answer."""
    from skyriver.client import Client, find_cloud

    async def conversation() -> R:
        async with Client(find_cloud(data)) as sky:
            return await question(sky)

    return asyncio.run(conversation())


async def first(limit: int, items: AsyncIterator[R]) -> list[R]:
    """The beginning of a list that may be long."""
    found: list[R] = []
    async for item in items:
        found.append(item)
        if len(found) >= limit:
            break
    return found


async def everything(items: AsyncIterator[R]) -> list[R]:
    """A whole list, however many pages it has."""
    return [item async for item in items]
