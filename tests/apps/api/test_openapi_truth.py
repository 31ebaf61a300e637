"""The OpenAPI document is true: generated requests, good and bad, get only answers that it declares.

The API serves from a thread of this process; an owner of the operator's tenant asks, who may do everything, so that
requests get past the door. Generation is seeded and short: it runs with every test run.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation.case import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from skyriver.apps.api import create_app
from skyriver.apps.api.listening import listen
from skyriver.platform.settings import ControlPlaneSettings
from skyriver.platform.store import Store
from tests.apps.api.conftest import bus_settings
from tests.clouds import Cloud, open_cloud
from tests.conftest import Database, postgres_database

EXAMPLES = 6
# A schema cannot say all that makes a value good (a cursor that was given out, a password that is hard to guess), so a
# request that fits the schema may still be answered 422. Whether 422 is declared is checked all the same.
NOT_CHECKED: list[Any] = [positive_data_acceptance]


@dataclass(frozen=True)
class Served:
    """A cloud that serves from a thread."""

    url: str
    credential: str


class ThreadedCloud:
    """Opens a cloud and serves it, in a thread with an event loop of its own."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._up = threading.Event()
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="api")
        self.served: Served | None = None

    def start(self) -> Served:
        """Start, and wait until it serves."""
        self._thread.start()
        self._up.wait()
        assert self.served is not None, "the API did not start"
        return self.served

    def stop(self) -> None:
        """Stop and wait for the end."""
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join()

    async def _run(self) -> None:
        try:
            if self._database.kind == "sqlite":
                path = self._folder / "skyriver.db"
                shutil.copy(self._database.template, path)
                await self._open(f"sqlite:///{path}")
            else:
                async with postgres_database(self._database.server_url, self._database.template) as url:
                    await self._open(url)
        finally:
            self._up.set()

    async def _open(self, url: str) -> None:
        store = Store(url)
        try:
            async with bus_settings(self._folder) as bus, open_cloud(store, self._folder, **bus) as cloud:
                await self._serve(cloud, listen("127.0.0.1", 0))
        finally:
            await store.close()

    async def _serve(self, cloud: Cloud, opened: socket.socket) -> None:
        # The cloud has run the app's lifespan already.
        server = uvicorn.Server(
            uvicorn.Config(cloud.app, lifespan="off", log_config=None, ws="none", timeout_graceful_shutdown=5)
        )
        self._server = server
        self.served = Served(f"http://127.0.0.1:{opened.getsockname()[1]}", cloud.operator.keys["owner"])
        self._up.set()
        await server.serve([opened])


@pytest.fixture(scope="module", params=("sqlite", "postgresql"))
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A cloud on each database."""
    if request.param == "sqlite":
        database = Database("sqlite", "", str(request.getfixturevalue("sqlite_template")))
    else:
        server, template = request.getfixturevalue("postgres_url"), request.getfixturevalue("postgres_template")
        database = Database("postgresql", server, template)
    cloud = ThreadedCloud(database, tmp_path_factory.mktemp("served"))
    yield cloud.start()
    cloud.stop()


@pytest.fixture(scope="module")
def document(served: Served) -> OpenApiSchema:
    """The document as a client gets it."""
    return schemathesis.openapi.from_url(f"{served.url}/openapi.json")


def _operations() -> list[str]:
    """Every operation. The event stream never ends by itself, and has a test of its own."""
    app = create_app(ControlPlaneSettings(data_dir=Path("unused")))
    return [
        f"{method.upper()} {path}"
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if path != "/v1/events"
    ]


@pytest.mark.parametrize("operation", _operations())
def test_every_answer_is_declared(operation: str, document: OpenApiSchema, served: Served) -> None:
    method, path = operation.split(" ")

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=document[path][method].as_strategy())
    def ask(case: Case[Any]) -> None:
        headers = {"Authorization": f"Bearer {served.credential}"}
        case.call_and_validate(headers=headers, excluded_checks=NOT_CHECKED)

    ask()
