"""The pipe protocol between a supervisor and its child, with a real child process."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

ECHO = """
import asyncio
from skyriver.kernel.child import ChildChannel

async def main():
    channel = await ChildChannel.open_stdio()
    channel.emit("ready", port=4443)
    print("a stray print", flush=True)
    async for command in channel.commands():
        channel.emit("echo", command=command)
    print("drained", flush=True)

asyncio.run(main())
"""


class Child:
    """The supervisor's end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin and process.stdout and process.stderr
        self.process, self.stdin, self.stdout, self.stderr = process, process.stdin, process.stdout, process.stderr

    async def event(self) -> dict[str, Any]:
        """The next event."""
        event: dict[str, Any] = json.loads(await self.stdout.readline())
        return event

    async def command(self, **fields: Any) -> None:
        """Send one command."""
        self.stdin.write(json.dumps(fields).encode() + b"\n")
        await self.stdin.drain()


@asynccontextmanager
async def started(script: str) -> AsyncIterator[Child]:
    """A child that runs `script`; it is gone afterwards, whatever happened."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
    )
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_events_and_commands_cross_in_order_and_prints_cannot_corrupt_them() -> None:
    async with started(ECHO) as child:
        assert await child.event() == {"event": "ready", "port": 4443}
        for number in range(3):
            await child.command(cmd="spec", number=number)
        for number in range(3):
            assert await child.event() == {"event": "echo", "command": {"cmd": "spec", "number": number}}
        child.stdin.close()
        assert await child.process.wait() == 0
        assert await child.stdout.read() == b""
        assert (await child.stderr.read()).splitlines() == [b"a stray print", b"drained"]


async def test_a_spec_of_a_megabyte_passes_whole() -> None:
    keys = ["0123456789abcdef" * 4] * 16_000
    async with started(ECHO) as child:
        await child.event()
        async with asyncio.TaskGroup() as group:
            group.create_task(child.command(cmd="spec", keys=keys))
            echoed = group.create_task(child.event())
        assert echoed.result()["command"]["keys"] == keys


async def test_a_supervisor_that_stops_reading_for_good_does_not_kill_its_child() -> None:
    deaf = """
import os, sys
read_end, write_end = os.pipe()
os.close(read_end)
import asyncio
from skyriver.kernel.child import ChildChannel
ChildChannel(asyncio.StreamReader(), write_end).emit("metrics", viewers=1)
print("still here")
"""
    # A StreamReader wants a loop in Python 3.11, hence the wrapper.
    script = f"import asyncio\nasync def main():\n    exec({deaf!r})\nasyncio.run(main())"
    async with started(script) as child:
        assert await child.stdout.read() == b"still here\n"
        assert await child.process.wait() == 0
