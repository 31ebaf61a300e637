"""Runs workloads over the real child protocol: pipes and JSON lines, in this process or in one of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from skyriver.kernel.child import MAX_LINE_BYTES, ChildChannel

Main = Callable[[ChildChannel, dict[str, Any]], Awaitable[None]]


class Child:
    """A workload under test. `events` holds everything it has said."""

    def __init__(self, send: Callable[[bytes], None], out: asyncio.StreamReader) -> None:
        self._send = send
        self._out = out
        self.events: list[dict[str, Any]] = []
        self.kill: Callable[[], None] = lambda: None
        self.ended: Callable[[], Awaitable[int | None]]

    def tell(self, cmd: str, **fields: Any) -> None:
        """Send a command."""
        self._send(json.dumps({"cmd": cmd, **fields}).encode() + b"\n")

    async def says(self, event: str, where: Callable[[dict[str, Any]], bool] = lambda fields: True) -> dict[str, Any]:
        """The next event of this kind that fits, from now on."""
        while line := await self._out.readline():
            said = json.loads(line)
            self.events.append(said)
            if said["event"] == event and where(said):
                return dict(said)
        raise AssertionError(f"the workload ended without saying {event}: {self.events}")


@asynccontextmanager
async def running(main: Main, spec: dict[str, Any], data_dir: Path) -> AsyncIterator[Child]:
    """A workload for the length of a block; then it is drained, and must end by itself."""
    read_fd, write_fd = os.pipe()
    out = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(out), os.fdopen(read_fd, "rb", 0)
    )
    commands = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    child = Child(commands.feed_data, out)
    first = {"cmd": "spec", **_first(spec, data_dir)}
    task = asyncio.ensure_future(main(ChildChannel(commands, write_fd), first))
    task.add_done_callback(lambda done: os.close(write_fd))
    try:
        yield child
        child.tell("drain")
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        transport.close()


@asynccontextmanager
async def running_process(
    kind: str, spec: dict[str, Any], data_dir: Path, *, leave: bool = False
) -> AsyncIterator[Child]:
    """The same in a process of its own, as an agent starts it: for code that holds the GIL while it waits for us."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "skyriver.apps.workload",
        kind,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        limit=MAX_LINE_BYTES,
    )
    assert process.stdin is not None and process.stdout is not None
    child = Child(process.stdin.write, process.stdout)
    child.kill = process.kill
    child.ended = process.wait
    child.tell("spec", leave=leave, **_first(spec, data_dir))
    try:
        yield child
        if process.returncode is None:
            child.tell("drain")
            assert await process.wait() in (0, -signal.SIGKILL)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _first(spec: dict[str, Any], data_dir: Path) -> dict[str, Any]:
    return {"spec": spec, "workload_id": "wl_1", "node_id": "nd_1", "data_dir": str(data_dir)}
