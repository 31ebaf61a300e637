"""Slows guessing of passwords.

Theory of operation. Every attempt is counted as a failure BEFORE the password is looked at, in a committed
transaction, so that parallel guesses cannot slip past; success takes the count of its own pair away. Two counters:

    pair     (account, address)   5 free, then 1 s, 2 s, 4 s … 15 min
    address  (all its accounts)   50 free, then the same: one machine trying many accounts

There is no counter per account alone: with one, anybody could lock anybody out. Counters are forgotten after a day
without failures. Accounts and addresses are stored hashed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.errors import TooMany
from skyriver.platform.identity.records import LoginFailureRecord

FREE_PER_PAIR = 5
FREE_PER_ADDRESS = 50
LONGEST_BLOCK = timedelta(minutes=15)
FORGET_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class Counter:
    """What is counted, and how many failures are free."""

    key_sha256: str
    free: int


def counters_of(account: str, address: str) -> tuple[Counter, Counter]:
    """The counters of one attempt: the pair's, then the address's."""
    return (
        Counter(_sha256("pair", account, address), FREE_PER_PAIR),
        Counter(_sha256("address", address), FREE_PER_ADDRESS),
    )


def block_after(failures: int, free: int) -> timedelta:
    """For how long the next attempt is refused after `failures` of them."""
    if failures < free:
        return timedelta()
    return min(timedelta(seconds=2 ** min(failures - free, 20)), LONGEST_BLOCK)


async def count_attempt(session: AsyncSession, account: str, address: str, now: datetime) -> None:
    """Count one attempt, or refuse it. Run it in a transaction of its own and commit before looking at the password.

    Raises:
        TooMany: come back after `retry_after_s`.
    """
    counters = counters_of(account, address)
    await session.execute(delete(LoginFailureRecord).where(LoginFailureRecord.last_failed_at < now - FORGET_AFTER))
    records = [await session.get(LoginFailureRecord, counter.key_sha256, with_for_update=True) for counter in counters]
    wait_s = max(((r.blocked_until - now).total_seconds() for r in records if r is not None), default=0.0)
    if wait_s > 0:
        raise TooMany(
            "Too many attempts to sign in have failed.",
            hint=f"Try again in {max(1, round(wait_s))} s.",
            code="login_throttled",
            retry_after_s=wait_s,
        )
    for counter, record in zip(counters, records, strict=True):
        if record is None:
            record = LoginFailureRecord(key_sha256=counter.key_sha256, failures=0)
            session.add(record)
        record.failures += 1
        record.last_failed_at = now
        record.blocked_until = now + block_after(record.failures, counter.free)


async def forgive(session: AsyncSession, account: str, address: str) -> None:
    """A success: the pair starts over. The address's count stays, or one known account would reset it."""
    pair, for_address = counters_of(account, address)
    await session.execute(delete(LoginFailureRecord).where(LoginFailureRecord.key_sha256 == pair.key_sha256))
    if (record := await session.get(LoginFailureRecord, for_address.key_sha256)) is not None:
        record.failures = max(0, record.failures - 1)


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
