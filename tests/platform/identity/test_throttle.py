"""Guessing passwords gets slow; nobody else is locked out; the count survives a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from skyriver.kernel.errors import TooMany
from skyriver.platform.identity.throttle import (
    FORGET_AFTER,
    FREE_PER_ADDRESS,
    FREE_PER_PAIR,
    LONGEST_BLOCK,
    block_after,
    count_attempt,
    forgive,
)
from skyriver.platform.store import Store

NOW = datetime(2026, 5, 1, tzinfo=UTC)


async def attempt(store: Store, now: datetime, account: str = "ann@red.test", address: str = "192.0.2.1") -> float:
    """Count one attempt; returns for how long the throttle refuses it, 0 when it does not."""
    try:
        async with store.transaction() as session:
            await count_attempt(session, account, address, now)
    except TooMany as refused:
        return refused.retry_after_s
    return 0.0


def test_the_block_doubles_up_to_its_cap() -> None:
    blocks = [block_after(failures, FREE_PER_PAIR).total_seconds() for failures in range(1, 18)]
    assert blocks[:8] == [0, 0, 0, 0, 1, 2, 4, 8]
    assert blocks[-1] == LONGEST_BLOCK.total_seconds()
    assert blocks == sorted(blocks)
    assert block_after(10**9, FREE_PER_PAIR) == LONGEST_BLOCK


async def test_failures_are_free_at_first_and_then_cost_time(store: Store) -> None:
    assert [await attempt(store, NOW) for _ in range(FREE_PER_PAIR)] == [0.0] * FREE_PER_PAIR
    assert await attempt(store, NOW) == 1.0
    assert await attempt(store, NOW + timedelta(seconds=0.5)) == 0.5
    assert await attempt(store, NOW + timedelta(seconds=1)) == 0.0
    assert await attempt(store, NOW + timedelta(seconds=1)) == 2.0


async def test_a_refused_attempt_does_not_count(store: Store) -> None:
    for _ in range(FREE_PER_PAIR):
        await attempt(store, NOW)
    for _ in range(100):
        assert await attempt(store, NOW) == 1.0


async def test_another_address_and_another_account_are_not_blocked(store: Store) -> None:
    for _ in range(FREE_PER_PAIR + 1):
        await attempt(store, NOW)
    assert await attempt(store, NOW, address="192.0.2.2") == 0.0
    assert await attempt(store, NOW, account="bob@red.test") == 0.0


async def test_one_address_that_tries_many_accounts_is_blocked(store: Store) -> None:
    for number in range(FREE_PER_ADDRESS):
        assert await attempt(store, NOW, account=f"{number}@red.test") == 0.0
    assert await attempt(store, NOW, account="fresh@red.test") > 0


async def test_success_frees_the_pair_but_not_the_address(store: Store) -> None:
    for number in range(FREE_PER_ADDRESS - FREE_PER_PAIR):
        await attempt(store, NOW, account=f"{number}@red.test")
    for _ in range(FREE_PER_PAIR):
        await attempt(store, NOW)
    async with store.transaction() as session:
        await forgive(session, "ann@red.test", "192.0.2.1")
    later = NOW + LONGEST_BLOCK
    assert await attempt(store, later) == 0.0
    assert await attempt(store, later) > 0


async def test_it_is_all_forgotten_after_a_quiet_day(store: Store) -> None:
    for _ in range(FREE_PER_PAIR + 1):
        await attempt(store, NOW)
    later = NOW + FORGET_AFTER + timedelta(minutes=1)
    assert [await attempt(store, later) for _ in range(FREE_PER_PAIR)] == [0.0] * FREE_PER_PAIR


async def test_the_count_survives_a_restart(store: Store, store_url: str) -> None:
    for _ in range(FREE_PER_PAIR):
        await attempt(store, NOW)
    again = Store(store_url)
    try:
        with pytest.raises(TooMany):
            async with again.transaction() as session:
                await count_attempt(session, "ann@red.test", "192.0.2.1", NOW)
    finally:
        await again.close()
