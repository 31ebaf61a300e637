"""Fixtures of the API process's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from skyriver.apps.api import create_app
from skyriver.fabric.bus import BusServer, BusServerSettings
from skyriver.platform.settings import ControlPlaneSettings
from skyriver.platform.store import Store
from tests.clouds import Cloud, open_cloud


@pytest.fixture
def app_without_services(tmp_path: Path) -> FastAPI:
    """The application with nothing but its own routes, not started."""
    return create_app(ControlPlaneSettings(data_dir=tmp_path), parts=(), services=())


@pytest.fixture
async def clustered(store: Store, tmp_path: Path) -> AsyncIterator[Cloud]:
    """As `cloud`, with a real bus and so with everything that runs beside the API."""
    async with bus_settings(tmp_path) as settings, open_cloud(store, tmp_path, **settings) as cloud:
        yield cloud


@asynccontextmanager
async def bus_settings(folder: Path) -> AsyncIterator[dict[str, Any]]:
    """A running bus, as the settings that an API needs to reach it."""
    bus = BusServer(BusServerSettings(folder / "bus", api_password="a", agent_password="b", port=0))
    await bus.start()
    access = bus.api_access()
    try:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(bus.run())
            yield {"bus_url": access.url, "bus_user": access.user, "bus_password": access.password}
            watching.cancel()
    finally:
        await bus.stop()
