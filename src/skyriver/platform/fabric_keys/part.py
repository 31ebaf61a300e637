"""What the grant keys bring to the API process: they are opened, provided, and published."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from skyriver.kernel.clock import monotonic_s
from skyriver.kernel.errors import SkyriverError
from skyriver.platform.fabric_keys.keys import GrantKeys
from skyriver.platform.manifest import Component, Part
from skyriver.platform.web.runtime import Runtime

log = logging.getLogger("skyriver.fabric_keys")

REFRESH_S = 30.0  # another process may have rotated; until we see it we sign with a key that still verifies
REFRESH_DENIED_S = 1.0  # how late this process may learn what was revoked


class _Refresher:
    def __init__(self, keys: GrantKeys) -> None:
        self._keys = keys

    async def run(self) -> None:
        next_s = monotonic_s() + REFRESH_S
        while True:
            await asyncio.sleep(REFRESH_DENIED_S)
            try:
                await self._keys.refresh_denied()
                if monotonic_s() >= next_s:
                    await self._keys.refresh()
                    next_s = monotonic_s() + REFRESH_S
            except SkyriverError as error:
                log.warning("Reading the grant keys again failed: %s", error)


@asynccontextmanager
async def _open(runtime: Runtime) -> AsyncIterator[Sequence[Component]]:
    keys = await GrantKeys.open(runtime.store, runtime.settings.data_dir)
    runtime.provide(keys)

    async def jwks() -> dict[str, Any]:
        return keys.jwks()

    runtime.jwks = jwks
    yield [_Refresher(keys)]


PART = Part("fabric_keys", open=_open)
