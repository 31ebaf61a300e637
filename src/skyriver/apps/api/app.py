"""The API application: composes routers, opens what they need, runs what runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from skyriver import __version__
from skyriver.apps.api import composition
from skyriver.apps.api.routes import ROUTERS
from skyriver.platform.manifest import Component, Part, Service
from skyriver.platform.settings import ControlPlaneSettings
from skyriver.platform.store import Store
from skyriver.platform.web.problems import install_problem_handlers
from skyriver.platform.web.runtime import Runtime


def create_app(
    settings: ControlPlaneSettings,
    *,
    store: Store | None = None,
    parts: Sequence[Part] = composition.PARTS,
    services: Sequence[Service] = composition.SERVICES,
) -> FastAPI:
    """The API as an ASGI application.

    Args:
        settings: checked settings.
        store: an open and migrated store that the caller closes; by default one is opened, migrated and closed here.
        parts: platform parts, opened in this order.
        services: services, opened after the parts.
    """
    runtime = Runtime(settings, store or Store(settings.store_url))
    brought: list[Part | Service] = [*parts, *services]

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if store is None:
                stack.push_async_callback(runtime.store.close)
                await runtime.store.migrate()
            components: list[Component] = []
            for part in brought:
                if part.open is not None:
                    components += await stack.enter_async_context(part.open(runtime))
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(component.run()) for component in components]
                try:
                    yield
                finally:
                    runtime.hub.close()
                    for task in running:
                        task.cancel()

    app = FastAPI(title="Skyriver", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.runtime = runtime
    install_problem_handlers(app)
    for router in (*ROUTERS, *(router for part in brought for router in part.routers)):
        app.include_router(router)
    return app
