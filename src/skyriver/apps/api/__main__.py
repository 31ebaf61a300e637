"""`python -m skyriver.apps.api --data DIR`: the API process.

Says `{"event": "ready", "url": ...}` on stdout once it serves, or `{"event": "fatal", "message": ..., "hint": ...}`
and exits with 1. SIGTERM and SIGINT stop it: event streams end, running requests get five seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from skyriver.apps.api.app import create_app
from skyriver.apps.api.first_run import first_run
from skyriver.apps.api.listening import listen
from skyriver.kernel.errors import InvalidInput, SkyriverError
from skyriver.kernel.logs import set_up_logs
from skyriver.kernel.networks import host_in_url
from skyriver.platform.settings import ControlPlaneSettings
from skyriver.platform.web.events import EventHub

GRACE_S = 5
KEEP_ALIVE_S = 75  # longer than the usual proxy's 60 s, so that the proxy and not we closes first


def read_settings(arguments: list[str], environment: dict[str, str]) -> tuple[ControlPlaneSettings, str]:
    """Settings and log level from the command line; credentials come from the environment only, where `ps` does not
    show them.

    Raises:
        InvalidInput: a value makes no sense.
    """
    parser = argparse.ArgumentParser(prog="python -m skyriver.apps.api", description="The API of a Skyriver cloud.")
    fields = ControlPlaneSettings.model_fields
    for name, info in fields.items():
        if info.repr:
            flag = "--data" if name == "data_dir" else f"--{name.replace('_', '-')}"
            parser.add_argument(flag, dest=name, required=info.is_required(), help=info.description)
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    given = vars(parser.parse_args(arguments))
    level = given.pop("log_level")
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name, info in fields.items():
        variable = f"SKYRIVER_{name.upper()}"
        if (name == "database_url" or not info.repr) and name not in values and environment.get(variable):
            values[name] = environment[variable]
    try:
        return ControlPlaneSettings(**values), level
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"The setting {name} cannot be {first.get('input')!r}: {first['msg']}.") from error


class Server(uvicorn.Server):
    """Uvicorn that says when it is up, and ends event streams at the first signal: they would hold up the stop."""

    def __init__(self, config: uvicorn.Config, hub: EventHub) -> None:
        super().__init__(config)
        self._hub = hub

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            say("ready", url=f"http://{host_in_url(host)}:{port}", pid=os.getpid())

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, less raising the signal again at the end: a stop that was asked for is no failure."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._hub.close()


def say(event: str, **fields: Any) -> None:
    """One event for whoever started this process."""
    print(json.dumps({"event": event, **fields}), flush=True)


async def serve(app: FastAPI, opened: socket.socket) -> None:
    """Serve until a signal."""
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,  # Observation logs requests, scrubbed
        server_header=False,
        proxy_headers=False,  # addresses throttle sign-ins: a header anybody can write must not set them
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws="none",
    )
    await Server(config, app.state.runtime.hub).serve([opened])


def main() -> int:
    """Command line."""
    try:
        settings, level = read_settings(sys.argv[1:], dict(os.environ))
        set_up_logs("api", level)
        os.umask(0o077)  # the database holds hashes, and the folder keys
        prepare_folder(settings.data_dir)
        opened = listen(settings.host, settings.port)
        with asyncio.Runner(loop_factory=_loop) as runner:
            runner.run(first_run(settings))
            runner.run(serve(create_app(settings), opened))
    except SkyriverError as error:
        say("fatal", message=error.message, hint=error.hint, code=error.code)
        return 1
    return 0


def prepare_folder(folder: Path) -> None:
    """Make the data folder, readable by its owner only.

    Raises:
        InvalidInput: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"Could not make the data folder {folder}: {error.strerror}.", hint="Choose another one with --data."
        ) from error


def _loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    sys.exit(main())
