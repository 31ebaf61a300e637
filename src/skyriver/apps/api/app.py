"""The API application: composes routers, opens what they need, runs what runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from fastapi import FastAPI
from fastapi.routing import APIRoute

from skyriver import __version__
from skyriver.apps.api import composition
from skyriver.apps.api.routes import ROUTERS
from skyriver.apps.api.routes.console import Console
from skyriver.apps.api.supervision import stop, supervise
from skyriver.kernel.clock import utc_now
from skyriver.platform.identity import Passwords
from skyriver.platform.manifest import Component, Part, Service
from skyriver.platform.settings import ControlPlaneSettings
from skyriver.platform.store import Store
from skyriver.platform.web.embedding import Embedding
from skyriver.platform.web.middleware import BodyLimit, Observation, SecurityHeaders
from skyriver.platform.web.openapi import install_openapi
from skyriver.platform.web.problems import install_problem_handlers
from skyriver.platform.web.runtime import Runtime


def create_app(
    settings: ControlPlaneSettings,
    *,
    store: Store | None = None,
    parts: Sequence[Part] = composition.PARTS,
    services: Sequence[Service] = composition.SERVICES,
    passwords: Passwords | None = None,
    now: Callable[[], datetime] = utc_now,
) -> FastAPI:
    """The API as an ASGI application.

    Args:
        settings: checked settings.
        store: an open and migrated store that the caller closes; by default one is opened, migrated and closed here.
        parts: platform parts, opened in this order.
        services: services, opened after the parts.
        passwords: how passwords are hashed; tests use cheap parameters.
        now: the wall clock.
    """
    runtime = Runtime(settings, store or Store(settings.store_url), now)
    runtime.provide(passwords or Passwords())
    brought: list[Part | Service] = [*parts, *services]

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if store is None:
                stack.push_async_callback(runtime.store.close)
                await runtime.store.migrate()
            components: list[Component] = [runtime.key_uses]
            for part in brought:
                if part.open is not None:
                    components += await stack.enter_async_context(part.open(runtime))
            async with asyncio.TaskGroup() as tasks:
                running = {
                    f"{type(component).__name__} ({number})": tasks.create_task(supervise(component, runtime))
                    for number, component in enumerate(components, 1)
                }
                try:
                    yield
                finally:
                    runtime.hub.close()
                    await stop(running)

    app = FastAPI(
        title="Skyriver",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.runtime = runtime
    install_problem_handlers(app)
    install_openapi(app)
    # The last added is the outermost.
    app.add_middleware(BodyLimit, uploads={path: most for one in services for path, most in one.uploads.items()})
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Embedding)
    app.add_middleware(Observation, registry=runtime.metrics)
    for router in (*ROUTERS, *(router for part in brought for router in part.routers)):
        app.include_router(router)
    app.router.default = Console()
    return app


def _operation_id(route: APIRoute) -> str:
    """The function's name: what generated clients call the operation."""
    return route.name
