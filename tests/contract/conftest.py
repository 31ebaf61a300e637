"""Bounds every test of this folder: a library that has changed may well hang where it used to answer."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable

import pytest

HANG_GUARD_S = 20.0


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Put the guard around the test; it is for hangs only, so it is far above what any test takes."""
    if isinstance(item, pytest.Function):
        item.obj = _bounded(item.obj)


def _bounded(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def bounded(*args: object, **kwargs: object) -> None:
        async with asyncio.timeout(HANG_GUARD_S):
            await test(*args, **kwargs)

    return bounded
