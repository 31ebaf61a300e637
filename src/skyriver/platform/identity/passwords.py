"""Passwords: argon2id, hashed outside the event loop, a bounded number at a time.

Parameters are argon2-cffi's defaults (RFC 9106, second recommended option: 64 MiB, 3 passes, 4 lanes): about 50 ms of
a core. That price is also an attack surface, so hashing waits in a short line, and beyond that callers are told to
come back.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from skyriver.kernel.errors import TooMany
from skyriver.platform.identity.errors import WeakPassword

T = TypeVar("T")
MIN_PASSWORD_CHARS = 10
MAX_PASSWORD_CHARS = 256  # argon2 takes more; nobody types more
HASHING_AT_ONCE = 2
HASHING_WAITING = 32  # about a second of work in line


class Passwords:
    """Hashes and verifies.

    Args:
        hasher: other parameters than the defaults; tests use cheap ones.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = asyncio.Semaphore(HASHING_AT_ONCE)
        self._waiting = 0
        self._decoy = self._hasher.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        """The string to store (PHC format, holds its own salt and parameters).

        Raises:
            WeakPassword: too short or too long, or one character over and over.
        """
        check_strength(password)
        return await self._in_turn(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` fits `stored`. None takes as long as a real one: the time must not tell who exists."""
        return await self._in_turn(lambda: self._verify(stored or self._decoy, password)) and stored is not None

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= HASHING_WAITING:
            raise TooMany("Too many people are signing in at once.", hint="Try again in a moment.", retry_after_s=2)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def check_strength(password: str) -> None:
    """Refuse what can be guessed at once. Length is what counts (NIST SP 800-63B, 3.1.1.2)."""
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        raise WeakPassword(f"A password has {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters.")
    if len(set(password)) < 4:
        raise WeakPassword("The password repeats very few characters.", hint="Use a longer phrase.")


def generate_password() -> str:
    """A password for somebody's first sign-in: 96 random bits in 16 characters."""
    return secrets.token_urlsafe(12)
