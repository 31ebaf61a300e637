"""The push in a process of its own, so that Ctrl-C always works: the media library keeps the interpreter to itself
while it connects and while a slow door makes it wait.

`python -m skyriver.apps.cli.push_process` takes one command, `push` {path, url, loop}; says `progress` and at last
`pushed` with the fields of `pusher.Pushed`, or `fatal`. The end of stdin stops it.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skyriver.apps.cli import pusher
from skyriver.kernel.child import ChildChannel
from skyriver.kernel.errors import SkyriverError
from skyriver.kernel.logs import set_up_logs

PROGRESS_INTERVAL_S = 0.25


async def main() -> None:
    """One push, from the first command to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started this closes its stdin
    channel = await ChildChannel.open_stdio()
    commands = channel.commands()
    order = await anext(commands)
    pushed, stop = pusher.Pushed(), threading.Event()
    async with asyncio.TaskGroup() as tasks:
        beside = [tasks.create_task(tell(channel, pushed)), tasks.create_task(stop_at_end(commands, stop))]
        try:
            await asyncio.to_thread(
                pusher.push, Path(order["path"]), order["url"], loop=order["loop"], stop=stop, pushed=pushed
            )
            channel.emit("pushed", **asdict(pushed))
        except SkyriverError as error:
            channel.emit("fatal", message=error.message, hint=error.hint, code=error.code)
        for task in beside:
            task.cancel()


async def tell(channel: ChildChannel, pushed: pusher.Pushed) -> None:
    """How far it is, four times a second."""
    while True:
        channel.emit("progress", media_s=pushed.media_s)
        await asyncio.sleep(PROGRESS_INTERVAL_S)


async def stop_at_end(commands: AsyncIterator[dict[str, Any]], stop: threading.Event) -> None:
    """Nobody is there any more, or nobody wants it any more."""
    async for _ in commands:
        pass
    stop.set()


if __name__ == "__main__":
    set_up_logs("push", "warning")
    asyncio.run(main())
