"""What the ledger brings to the API process: its route, and the intake where there is a bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from skyriver.fabric.bus import Bus
from skyriver.platform.ledger.api import router
from skyriver.platform.ledger.intake import UsageIntake
from skyriver.platform.manifest import Component, Part
from skyriver.platform.web.runtime import Runtime


@asynccontextmanager
async def _open(runtime: Runtime) -> AsyncIterator[Sequence[Component]]:
    yield [UsageIntake(runtime.store, runtime.get(Bus), runtime.metrics)] if runtime.settings.bus_url else []


PART = Part("ledger", routers=(router,), open=_open)
