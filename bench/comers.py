"""Viewers that come and go, in a worker process of the soak: `python bench/comers.py`, told by its stdin.

`spec` {url, token, channel, viewers, stay_s, seed}; then `report`, answered with what was seen. Ends with its stdin.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from skyriver.apps.cli.measure.viewing import HeadlessViewer
from skyriver.client import Client, Cloud
from skyriver.kernel.child import ChildChannel
from skyriver.kernel.errors import SkyriverError
from skyriver.kernel.logs import set_up_logs

AWAY_S = (0.5, 5.0)  # between two visits of one viewer


@dataclass
class Seen:
    """All visits of this process."""

    visits: int = 0
    without_picture: int = 0
    refused: int = 0
    frames: int = 0
    max_gap_ms: float = 0.0


async def come_and_go(sky: Client, spec: dict[str, Any], chance: random.Random, seen: Seen) -> None:
    """One viewer for ever: watch for a while, leave, come back."""
    while True:
        viewer = HeadlessViewer(sky, spec["channel"])
        try:
            async with asyncio.timeout(chance.uniform(*spec["stay_s"])):
                await viewer.run()
        except TimeoutError:
            pass  # the visit is over, as planned
        except SkyriverError:
            seen.refused += 1
        seen.visits += 1
        seen.without_picture += viewer.arrivals.frames == 0
        seen.frames += viewer.arrivals.frames
        seen.max_gap_ms = max(seen.max_gap_ms, viewer.arrivals.max_gap_ms())
        await asyncio.sleep(chance.uniform(*AWAY_S))


async def main() -> None:
    channel = await ChildChannel.open_stdio()
    commands = channel.commands()
    spec = (await anext(commands))["spec"]
    chance, seen = random.Random(spec["seed"]), Seen()
    async with Client(Cloud(spec["url"], spec["token"])) as sky, asyncio.TaskGroup() as tasks:
        viewers = [tasks.create_task(come_and_go(sky, spec, chance, seen)) for _ in range(spec["viewers"])]
        async for command in commands:
            if command["cmd"] == "report":
                channel.emit("report", **vars(seen))
            elif command["cmd"] == "leave":
                break
        for viewer in viewers:
            viewer.cancel()
    channel.emit("left")


if __name__ == "__main__":
    set_up_logs("comers", "error")
    asyncio.run(main())
