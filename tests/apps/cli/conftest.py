"""A real API on a real port, for commands that are run as a user runs them."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from typer.testing import CliRunner

from skyriver.apps.cli.program import app
from skyriver.platform.store import Store
from tests.clouds import Cloud, open_cloud

START_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command of the program in this process."""
    for name in ("SKYRIVER_URL", "SKYRIVER_TOKEN", "SKYRIVER_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments: object, input: str | None = None) -> Ran:
        words = [str(argument) for argument in arguments]
        monkeypatch.setattr("sys.argv", ["skyriver", *words])
        result = CliRunner().invoke(app, words, input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return invoke


@dataclass(frozen=True)
class Serving:
    """An API on a port; `data` is the folder by which commands find it."""

    data: Path
    url: str
    cloud: Cloud

    def data_of(self, key: str) -> Path:
        """Another folder, with somebody else's key."""
        folder = self.data / key[-8:].strip("-_")
        folder.mkdir(exist_ok=True)
        _write_files(folder, self.url, key)
        return folder


@pytest.fixture(scope="module")
def serving(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The whole API over SQLite, in a thread of its own: commands run their own event loop in the test's."""
    folder = tmp_path_factory.mktemp("cloud")
    shutil.copy(sqlite_template, folder / "skyriver.db")
    up, stop = threading.Event(), threading.Event()
    found: list[Serving] = []
    failed: list[BaseException] = []

    def serve() -> None:
        try:
            asyncio.run(_serve(folder, found, up, stop))
        except BaseException as error:
            failed.append(error)
            up.set()

    thread = threading.Thread(target=serve, name="api")
    thread.start()
    try:
        assert up.wait(START_TIMEOUT_S), "the API did not start"
        if failed:
            raise failed[0]
        yield found[0]
    finally:
        stop.set()
        thread.join()


async def _serve(folder: Path, found: list[Serving], up: threading.Event, stop: threading.Event) -> None:
    store = Store(f"sqlite:///{folder / 'skyriver.db'}")
    async with open_cloud(store, folder) as cloud:
        server = uvicorn.Server(uvicorn.Config(cloud.app, lifespan="off", log_level="warning"))
        listening = socket.create_server(("127.0.0.1", 0))  # listens from here on: who comes early only waits
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(server.serve(sockets=[listening]))
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            _write_files(folder, url, cloud.operator.keys["owner"])
            found.append(Serving(folder, url, cloud))
            up.set()
            await asyncio.to_thread(stop.wait)
            server.should_exit = True
            await serving
    await store.close()


def _write_files(folder: Path, url: str, key: str) -> None:
    (folder / "cloud.json").write_text(json.dumps({"url": url}))
    (folder / "cli-key").write_text(key)
