"""How old a picture is when a viewer could show it: from its drawing (or, where no clock is drawn into it, from the
station) to the decoded frame."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skyriver.apps.cli.measure.summary import Summary, summarise
from skyriver.apps.cli.measure.viewing import HeadlessViewer
from skyriver.client import Client
from skyriver.kernel.clock import monotonic_s
from skyriver.kernel.errors import NotReady

WARM_UP_S = 2.0  # the first group may have waited at the relay for its viewer: its age says nothing about the path
COLUMNS = (
    "viewer",
    "frames",
    "picture",
    "first frame ms",
    "latency p50 ms",
    "latency p99 ms",
    "max ms",
    "longest gap ms",
)


@dataclass(frozen=True)
class Seen:
    """One viewer's measurements."""

    frames: int
    width: int
    height: int
    startup_ms: float
    latency_ms: Summary
    max_gap_ms: float

    def row(self, name: str) -> tuple[Any, ...]:
        latency = self.latency_ms
        picture = f"{self.width}x{self.height}"
        return (name, self.frames, picture, self.startup_ms, latency.p50, latency.p99, latency.max, self.max_gap_ms)


@dataclass(frozen=True)
class LatencyReport:
    """Every viewer, and all of them together."""

    channel: str
    seconds: float
    viewers: tuple[Seen, ...]
    latency_ms: Summary
    from_clock: bool

    def rows(self) -> list[tuple[Any, ...]]:
        rows = [seen.row(str(number + 1)) for number, seen in enumerate(self.viewers)]
        whole = self.latency_ms
        return [*rows, ("all", whole.count, None, None, whole.p50, whole.p99, whole.max, None)]

    def as_json(self) -> dict[str, Any]:
        return {
            "channel": self.channel,
            "seconds": self.seconds,
            "from_clock": self.from_clock,
            "latency_ms": self.latency_ms.as_json(),
            "viewers": [vars(seen) | {"latency_ms": seen.latency_ms.as_json()} for seen in self.viewers],
        }


async def measure(
    sky: Client,
    channel: str,
    *,
    seconds: float,
    viewers: int,
    tell: Callable[[float, str], None],
    track: str | None = None,
) -> LatencyReport:
    """Watch with decoding viewers for `seconds` after a warm-up."""
    found = await sky.channel(channel)
    audience = [HeadlessViewer(sky, found.id, track=track, decode=True) for _ in range(viewers)]
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(viewer.run()) for viewer in audience]
        await asyncio.sleep(WARM_UP_S)
        from_s = monotonic_s()
        while (passed_s := monotonic_s() - from_s) < seconds:
            tell(passed_s, f"{sum(viewer.arrivals.frames for viewer in audience)} frames")
            await asyncio.sleep(min(0.5, seconds - passed_s))
        for task in watching:
            task.cancel()
    if not all(viewer.arrivals.frames for viewer in audience):
        raise NotReady(
            f"No picture came from {channel} in {seconds:.0f} s.", hint="Is it live? `skyriver channel show`."
        )
    every = [age for viewer in audience for age in viewer.arrivals.latencies_ms(from_s)]
    return LatencyReport(
        found.slug,
        seconds,
        tuple(_seen(viewer, from_s) for viewer in audience),
        summarise(every),
        all(viewer.reads_clock for viewer in audience),
    )


def _seen(viewer: HeadlessViewer, from_s: float) -> Seen:
    return Seen(
        frames=len(viewer.arrivals.since(from_s)),
        width=viewer.width,
        height=viewer.height,
        startup_ms=round(viewer.startup_ms or 0.0, 1),
        latency_ms=summarise(viewer.arrivals.latencies_ms(from_s)),
        max_gap_ms=round(viewer.arrivals.max_gap_ms(from_s), 1),
    )
