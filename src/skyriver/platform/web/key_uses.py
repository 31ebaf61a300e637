"""Remembers when API keys were used, and writes it down now and then: no request waits for that write."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from skyriver.kernel.errors import SkyriverError
from skyriver.platform.identity.api_keys import note_use
from skyriver.platform.store import Store

FLUSH_EVERY_S = 30.0
MAX_KEYS = 10_000  # beyond that, uses of further keys are not noted until the next flush
log = logging.getLogger(__name__)


class KeyUses:
    """A component of every API process."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._used: dict[str, datetime] = {}

    def add(self, key_id: str) -> None:
        """The key was used just now."""
        if key_id in self._used or len(self._used) < MAX_KEYS:
            self._used[key_id] = self._now()

    async def flush(self) -> None:
        """Write down what was noted since the last time."""
        used, self._used = self._used, {}
        if used:
            async with self._store.transaction() as session:
                for key_id, at in sorted(used.items()):
                    await note_use(session, key_id, at)

    async def run(self) -> None:
        """Flush for ever. A flush that fails loses nothing but the time of some uses."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            try:
                await self.flush()
            except SkyriverError as error:
                log.warning("the use of API keys was not noted: %s", error)
