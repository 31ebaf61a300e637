"""Our side of a child process that speaks `kernel.child`'s protocol: one JSON object a line each way."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from skyriver.kernel.child import MAX_LINE_BYTES
from skyriver.kernel.errors import WorldBroke

STOP_TIMEOUT_S = 5.0


class Child:
    """One running child. `tell` it a command, `hear` an event; it dies with the `child` block that made it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process

    def tell(self, command: str, **fields: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"cmd": command, **fields}).encode() + b"\n")

    async def events(self) -> AsyncGenerator[dict[str, Any], None]:
        """Every event in order, until the child ends.

        Raises:
            WorldBroke: the child said `fatal`.
        """
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            heard: dict[str, Any] = json.loads(line)
            if heard["event"] == "fatal":
                raise WorldBroke(heard["message"], hint=heard.get("hint", ""), code=heard.get("code"))
            yield heard

    async def hear(self, event: str, *, timeout_s: float) -> dict[str, Any]:
        """The next event of that name; others are passed over.

        Raises:
            WorldBroke: the child ended, said `fatal`, or was silent for `timeout_s`.
        """
        try:
            async with asyncio.timeout(timeout_s), aclosing(self.events()) as events:
                async for heard in events:
                    if heard["event"] == event:
                        return heard
        except TimeoutError as error:
            raise WorldBroke(f"{self.name} said no `{event}` within {timeout_s:.0f} s.") from error
        raise WorldBroke(f"{self.name} ended before it said `{event}`.", hint="Its words are above, on stderr.")

    async def stop(self) -> None:
        """End of stdin means: go. Killed if it does not."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def child(name: str, *program: str) -> AsyncIterator[Child]:
    """`python program…` (`"-m", "some.module"`, or a script) for the length of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", *program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MAX_LINE_BYTES,
    )
    running = Child(name, process)
    try:
        yield running
    finally:
        await running.stop()
