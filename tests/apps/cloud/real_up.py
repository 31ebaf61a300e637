"""`skyriver up` as a user runs it: a real process, told to be brief about it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

import skyriver

PATIENCE_S = 90.0  # only a failure takes that long
ANY_PORTS = ("--port", "0", "--rtmp-port", "0", "--udp-port", "0", "--bus-port", "0")


@dataclass
class Up:
    """One run of `up`; `said` holds the events that were read so far."""

    data: Path
    process: Process
    said: list[dict[str, Any]] = field(default_factory=list)

    async def ready(self) -> dict[str, Any]:
        """The `ready` event."""
        async with asyncio.timeout(PATIENCE_S):
            while event := await self._next():
                if event.get("event") == "ready":
                    return event
        raise AssertionError(f"it ended without being ready: {self.said}")

    async def end(self) -> int:
        """The exit code, after everything it says was read."""
        async with asyncio.timeout(PATIENCE_S):
            while await self._next():
                pass
            return await self.process.wait()

    async def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return await self.end()

    async def _next(self) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            return None
        event: dict[str, Any] = json.loads(line)
        self.said.append(event)
        return event


@asynccontextmanager
async def up(data: Path, *options: str, under: Sequence[str] = ()) -> AsyncIterator[Up]:
    """`up --json` on that folder; killed at the end if it still runs. `under`: a command that runs the rest."""
    source = str(Path(skyriver.__file__).parents[1])
    process = await asyncio.create_subprocess_exec(
        *under,
        *(sys.executable, "-m", "skyriver.apps.cli", "up", "--data", str(data), "--json", *options),
        env=os.environ | {"PYTHONPATH": source},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=DEVNULL,
        start_new_session=True,
    )
    running = Up(data, process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        for left in processes_of(data):
            left.kill()


async def refused(data: Path, *options: str, under: Sequence[str] = ()) -> dict[str, Any]:
    """What an `up` says that cannot start; it has ended with an error."""
    async with up(data, *options, under=under) as running:
        assert await running.end() != 0
        error: dict[str, Any] = running.said[-1]["error"]
    assert processes_of(data) == [], "what was started before it failed is stopped again"
    return error


@asynccontextmanager
async def api_of(running: Up, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The cloud's API, as its command line uses it."""
    headers = {"Authorization": f"Bearer {(running.data / 'cli-key').read_text()}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_S) as client:
        yield client


def processes_of(data: Path) -> list[psutil.Process]:
    """Every process that was started for this folder and still runs, workloads included."""
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        try:
            named = any(str(data) in word for word in process.cmdline())
            if named and process.status() != psutil.STATUS_ZOMBIE:
                found |= {process, *process.children(recursive=True)}
        except psutil.Error:
            continue
    return sorted(found, key=lambda process: process.pid)


@asynccontextmanager
async def taken_port() -> AsyncIterator[int]:
    """A TCP port that this test's process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
