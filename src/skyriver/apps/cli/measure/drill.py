"""Drills: something is killed for real, again and again, while real viewers watch and measure what they missed.

One kill: wait until every viewer receives and the cloud is whole; kill; keep watching for as long as a recovery may
take at worst; then read every viewer's longest gap around the kill. A viewer whose frames never came back counts
with the whole window as its gap: an outage is never an absent number.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from skyriver.apps.cli.measure.processes import api_pid
from skyriver.apps.cli.measure.summary import summarise
from skyriver.apps.cli.measure.viewing import HeadlessViewer
from skyriver.client import Client, CloudNotReachable
from skyriver.kernel.errors import NotReady, SkyriverError

WHOLE_TIMEOUT_S = 30.0
RECEIVING_WITHIN_S = 0.5
POLL_S = 0.1


class Stage(StrEnum):
    """What is killed."""

    STATION = "station"
    TRANSCODER = "transcoder"
    STANDBY = "standby"
    ORIGIN = "origin"
    EDGE = "edge"
    DELIVERY = "delivery"
    RECORDER = "recorder"
    API = "api"


# How long to look after a kill: above the stage's budget, so that a miss of the budget is measured and not cut off.
WINDOW_S = {
    Stage.STATION: 15.0,
    Stage.TRANSCODER: 6.0,
    Stage.STANDBY: 6.0,
    Stage.ORIGIN: 5.0,
    Stage.EDGE: 2.0,
    Stage.DELIVERY: 5.0,
    Stage.RECORDER: 5.0,
    Stage.API: 6.0,
}
SETTLE_S = {Stage.TRANSCODER: 5.0, Stage.STANDBY: 5.0, Stage.STATION: 12.0}
"""How long to wait until the next kill, so that whoever took over has given its place back: see `fabric.bridge`."""


@dataclass(frozen=True)
class Kill:
    """One kill and what each viewer missed."""

    killed: str
    gaps_ms: tuple[float, ...]
    affected_gaps_ms: tuple[float, ...]
    api_back_ms: float | None = None
    kept: bool | None = None


@dataclass
class DrillReport:
    """Every kill of one drill."""

    stage: Stage
    channel: str
    viewers: int
    kills: list[Kill] = field(default_factory=list)
    reconnects: int = 0

    def as_json(self) -> dict[str, Any]:
        """`gap_ms` is over the viewers that the kill hit; `gap_ms_all` over every viewer."""
        affected = [gap for kill in self.kills for gap in kill.affected_gaps_ms]
        backs = [kill.api_back_ms for kill in self.kills if kill.api_back_ms is not None]
        report: dict[str, Any] = {
            "stage": self.stage.value,
            "channel": self.channel,
            "times": len(self.kills),
            "viewers": self.viewers,
            "gap_ms": summarise(affected).as_json(),
            "gap_ms_all": summarise([gap for kill in self.kills for gap in kill.gaps_ms]).as_json(),
            "reconnects": self.reconnects,
            "kills": [{"killed": k.killed, "gap_ms": max(k.affected_gaps_ms, default=0.0)} for k in self.kills],
        }
        if self.stage is Stage.API:
            report["api_back_ms"] = summarise(backs).as_json()
            report["kept"] = all(kill.kept for kill in self.kills)
        return report


async def drill(
    sky: Client, stage: Stage, channel: str, *, times: int, viewers: int, step: Callable[[float, str], None]
) -> DrillReport:
    """Kill `stage` of `channel` `times` times under `viewers` headless viewers; `step` is told after each kill."""
    found = await sky.channel(channel)
    audience = [HeadlessViewer(sky, found.id) for _ in range(viewers)]
    report = DrillReport(stage, found.slug, viewers)
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(viewer.run()) for viewer in audience]
        for number in range(times):
            if number:
                await asyncio.sleep(SETTLE_S.get(stage, 0.0))
            await _whole(sky, stage, found.id, audience)
            switches = sum(len(viewer.arrivals.edges) for viewer in audience)
            report.kills.append(await _kill(sky, stage, found.id, audience))
            report.reconnects += sum(len(viewer.arrivals.edges) for viewer in audience) - switches
            step(number + 1, f"worst gap {max(report.kills[-1].gaps_ms, default=0.0):.0f} ms")
        for task in watching:
            task.cancel()
    return report


async def _whole(sky: Client, stage: Stage, channel: str, audience: list[HeadlessViewer]) -> None:
    """Wait until every viewer receives frames, has its standby where there are two edges, and the cloud could survive
    the next kill: two failures at once would be measured as one.

    Raises:
        NotReady: it did not become whole in time; killing more would measure something else.
    """
    deadline_s = time.monotonic() + WHOLE_TIMEOUT_S
    receiving = standing_by = edges = 0
    while time.monotonic() < deadline_s:
        receiving = sum(viewer.receives(RECEIVING_WITHIN_S) for viewer in audience)
        standing_by = sum(viewer.standby_ready for viewer in audience)
        edges = await _edges(sky, channel)
        protected = edges == 1 or standing_by == len(audience)
        if receiving == len(audience) and protected and edges >= (2 if stage is Stage.EDGE else 1):
            return
        await asyncio.sleep(POLL_S)
    raise NotReady(
        f"The drill stopped: after {WHOLE_TIMEOUT_S:.0f} s {receiving} of {len(audience)} viewers receive frames, "
        f"{standing_by} have a standby, and {edges} edges serve the channel.",
        hint="Is the channel live (`skyriver channel show`)? An edge drill needs two edges (`skyriver status`).",
    )


async def _edges(sky: Client, channel: str) -> int:
    """How many edges a new viewer would be offered; none while the cloud says that it is not ready."""
    try:
        return len((await sky.watch(channel)).edges)
    except (NotReady, CloudNotReachable):
        return 0


async def _kill(sky: Client, stage: Stage, channel: str, audience: list[HeadlessViewer]) -> Kill:
    if stage is Stage.API:
        return await _kill_api(sky, channel, audience)
    victim: str | None = None
    hit = audience
    if stage is Stage.EDGE:
        used = Counter(viewer.node_id for viewer in audience if viewer.node_id)
        if not used:
            raise NotReady("No viewer knows which edge it is on, so none can be killed.", hint="Run the drill again.")
        victim = used.most_common(1)[0][0]
        hit = [viewer for viewer in audience if viewer.node_id == victim]
    from_s = time.monotonic()
    killed = (await sky.drill(channel, stage.value, edge_node_id=victim)).killed
    await asyncio.sleep(from_s + WINDOW_S[stage] - time.monotonic())
    until_s = from_s + WINDOW_S[stage]
    return Kill(killed, _gaps_ms(audience, from_s, until_s), _gaps_ms(hit, from_s, until_s))


async def _kill_api(sky: Client, channel: str, audience: list[HeadlessViewer]) -> Kill:
    """`kill -9` of the API itself, right after a write it acknowledged; then wait until it serves new viewers."""
    pid = api_pid(sky.cloud.data or Path())
    marker = (await sky.create_channel("Drill marker")).channel
    from_s = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    back_s: float | None = None
    while back_s is None and time.monotonic() < from_s + WHOLE_TIMEOUT_S:
        try:
            await sky.watch(channel)
            back_s = time.monotonic()
        except SkyriverError:
            await asyncio.sleep(POLL_S / 2)
    await asyncio.sleep(max(0.0, from_s + WINDOW_S[Stage.API] - time.monotonic()))
    gaps_ms = _gaps_ms(audience, from_s, time.monotonic())
    if back_s is None:
        raise NotReady(
            f"The API did not come back within {WHOLE_TIMEOUT_S:.0f} s after it was killed.", hint="Look at its log."
        )
    kept = (await sky.channel(marker.id)).id == marker.id
    await sky.delete_channel(marker.id)
    return Kill(f"pid {pid}", gaps_ms, gaps_ms, api_back_ms=(back_s - from_s) * 1000, kept=kept)


def _gaps_ms(audience: list[HeadlessViewer], from_s: float, until_s: float) -> tuple[float, ...]:
    return tuple(round(viewer.arrivals.max_gap_ms(from_s, until_s), 1) for viewer in audience)
