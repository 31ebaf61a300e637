"""Many viewers in one process, of a relay or of an RTMP server: the load of the fan-out benchmark.

`python -m skyriver.apps.cli.measure.crowd` takes `spec` {kind: "moq" | "rtmp", …}, then `add` {count}, `reset`
(forget what was measured) and `report`, which it answers with counts and a histogram of frame ages.
These viewers neither decode nor fail over: what is measured is the server, and their own part is kept small.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from skyriver.apps.cli.measure.histogram import Histogram
from skyriver.apps.cli.measure.rtmp_client import RtmpClient
from skyriver.fabric import hang, moq
from skyriver.kernel.child import ChildChannel
from skyriver.kernel.errors import SkyriverError
from skyriver.kernel.logs import set_up_logs

BROADCAST, TRACK = "live", "video"
ADD_INTERVAL_S = 0.02  # fifty viewers a second from each worker: a rush, not a thundering herd


@dataclass
class Crowd:
    """What the viewers of this process saw since the last reset."""

    watching: int = 0
    refused: int = 0
    frames: int = 0
    ages: Histogram = field(default_factory=Histogram)

    def frame(self, age_ms: float) -> None:
        self.frames += 1
        self.ages.add(age_ms)

    def reset(self) -> None:
        self.frames, self.ages = 0, Histogram()


async def run(channel: ChildChannel) -> None:
    """Obey commands until stdin ends."""
    moq.silence_native_logs()
    commands = channel.commands()
    spec = (await anext(commands))["spec"]
    crowd = Crowd()
    view: Callable[[], AsyncIterator[float]] = (lambda: _moq(spec)) if spec["kind"] == "moq" else (lambda: _rtmp(spec))
    async with asyncio.TaskGroup() as tasks:
        viewers: list[asyncio.Task[None]] = []
        async for command in commands:
            if command["cmd"] == "add":
                for _ in range(command["count"]):
                    viewers.append(tasks.create_task(_watch(crowd, view())))
                    await asyncio.sleep(ADD_INTERVAL_S)
                channel.emit("added")
            elif command["cmd"] == "reset":
                crowd.reset()
            elif command["cmd"] == "report":
                channel.emit("report", **_report(crowd))
        for viewer in viewers:
            viewer.cancel()


def _report(crowd: Crowd) -> dict[str, Any]:
    return {
        "watching": crowd.watching,
        "refused": crowd.refused,
        "frames": crowd.frames,
        "ages": crowd.ages.to_json(),
    }


async def _watch(crowd: Crowd, ages_ms: AsyncIterator[float]) -> None:
    """One viewer for as long as it gets frames; one that never gets any counts as refused."""
    watching = False
    try:
        async for age_ms in ages_ms:
            if not watching:
                watching = True
                crowd.watching += 1
            crowd.frame(age_ms)
    except (moq.Error, SkyriverError, TimeoutError, OSError):
        pass  # the benchmark counts it below; why a single viewer ended does not matter to the table
    if watching:
        crowd.watching -= 1
    crowd.refused += 1


async def _moq(spec: dict[str, Any]) -> AsyncIterator[float]:
    """Ages in ms of the frames of one relay session; media time is the publisher's wall clock on this machine."""
    endpoint = moq.Endpoint(spec["url"], tuple(spec["certificate_sha256"]))
    origin = moq.new_origin()
    connection = moq.connect(endpoint, spec["space"], spec["grant"], publish=moq.new_origin(), subscribe=origin)
    async with connection as session:
        track = await _first(_subscribe(origin), session.closed())
        while (group := await track.recv_group()) is not None:
            try:
                async for frame in group:
                    pts_us, _ = hang.decode_frame(frame.payload)
                    yield (time.time_ns() // 1000 - pts_us) / 1000
            except moq.Error:
                continue  # this group was too old to be worth waiting for; the next one is not


async def _subscribe(origin: moq.OriginProducer) -> moq.TrackConsumer:
    broadcast = await origin.consume().announced_broadcast(BROADCAST)
    track: moq.TrackConsumer = await moq.subscribe_live(broadcast, TRACK)
    return track


async def _first(subscribing: Coroutine[Any, Any, moq.TrackConsumer], closed: Awaitable[object]) -> moq.TrackConsumer:
    """The subscription, unless the relay closes the session first, which is how it refuses."""
    async with asyncio.timeout(10.0):
        wanted, ended = asyncio.ensure_future(subscribing), asyncio.ensure_future(closed)
        try:
            await asyncio.wait({wanted, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not wanted.done():
                raise TimeoutError("the relay closed the session before the first frame")
            track: moq.TrackConsumer = wanted.result()
            return track
        finally:
            wanted.cancel()
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)


async def _rtmp(spec: dict[str, Any]) -> AsyncIterator[float]:
    async with RtmpClient(spec["host"], spec["port"], spec["app"]) as client:
        async for age_ms in client.play(BROADCAST):
            yield age_ms


async def _main() -> None:
    await run(await ChildChannel.open_stdio())


if __name__ == "__main__":
    set_up_logs("crowd", "warning")
    asyncio.run(_main())
