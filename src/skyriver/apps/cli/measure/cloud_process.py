"""A whole cloud in processes of its own, for the length of a measurement or a test."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from skyriver.kernel.errors import WorldBroke

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class RunningCloud:
    """A cloud that serves, and who may sign in: the first login of its folder."""

    data: Path
    url: str
    email: str
    password: str


@asynccontextmanager
async def running_cloud(data: Path, *options: str) -> AsyncIterator[RunningCloud]:
    """`skyriver up` on free ports; stopped as Ctrl-C stops it.

    Args:
        data: its folder; a new one is set up, an old one goes on.
        options: further options of `up`, which win.

    Raises:
        WorldBroke: it did not come up.
    """
    command = (sys.executable, "-P", "-m", "skyriver.apps.cli", "up", "--json", "--data", str(data))
    ports = ("--port", "0", "--rtmp-port", "0")
    process = await asyncio.create_subprocess_exec(*command, *ports, *options, stdout=asyncio.subprocess.PIPE)
    try:
        url = await _ready(process)
        first = json.loads(await asyncio.to_thread((data / "first-login.json").read_text))
        yield RunningCloud(data, url, first["email"], first["password"])
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    heard: list[str] = []
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while line := await process.stdout.readline():
                heard.append(line.decode(errors="replace").strip())
                event = json.loads(line)
                if event.get("event") == "ready":
                    return str(event["url"])
    except TimeoutError as error:
        raise WorldBroke(f"`up` was not ready within {START_TIMEOUT_S:.0f} s; it said {heard}.") from error
    raise WorldBroke(f"`up` ended before it was ready; it said {heard}.", hint="Its errors are above, on stderr.")
