"""A quarter of an hour with fifty viewers that come and go: memory, file descriptors and sessions of the cloud.

    python bench/soak.py [--data DIR] [--channel demo] [--minutes 15] [--viewers 50] [--workers 2]

The first row is the cloud before anybody came, the last one half a minute after everybody left: memory has to be flat
between the rows with viewers, and descriptors and viewers in the last row as few as in the first.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyriver.apps.cli.child import Child, child
from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.apps.cli.measure.processes import cloud_processes, usage_of
from skyriver.client import Client, find_cloud

COLUMNS = ("minute", "viewers", "processes", "RSS MB", "PSS MB", "descriptors", "largest process")
COMERS = Path(__file__).with_name("comers.py")
ROWS = 10
STAY_S = (3.0, 40.0)
LEAVE_S = 35.0  # an edge keeps an empty space for 30 s, for the viewer who reloads


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    data: Path
    channel: str
    minutes: float
    viewers: int
    workers: int
    seed: int


async def soak(plan: Plan) -> None:
    cloud = find_cloud(plan.data)
    rows = []
    async with Client(cloud) as sky, AsyncExitStack() as stack:
        rows.append(await sample("before", sky, plan.data))
        crowd = [await stack.enter_async_context(child(f"viewers {n}", str(COMERS))) for n in range(plan.workers)]
        for number, worker in enumerate(crowd):
            spec = {"url": cloud.url, "token": cloud.token, "channel": plan.channel, "stay_s": STAY_S}
            worker.tell("spec", spec=spec | {"viewers": share(plan, number), "seed": plan.seed + number})
        from_s = time.monotonic()
        for number in range(1, ROWS + 1):
            due_s = from_s + plan.minutes * 60 * number / ROWS
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            rows.append(await sample(f"{(time.monotonic() - from_s) / 60:.1f}", sky, plan.data))
        seen = await reports(crowd)
        for worker in crowd:
            worker.tell("leave")
        for worker in crowd:
            await worker.hear("left", timeout_s=30.0)
        await asyncio.sleep(LEAVE_S)
        rows.append(await sample("after", sky, plan.data))
    print(markdown(COLUMNS, rows))
    visits = sum(one["visits"] for one in seen)
    print(
        f"\n{visits} visits, {sum(one['frames'] for one in seen)} frames; "
        f"{sum(one['without_picture'] for one in seen)} visits without a picture, "
        f"{sum(one['refused'] for one in seen)} refused; longest gap {max(one['max_gap_ms'] for one in seen):.0f} ms. "
        f"Seed {plan.seed}."
    )


async def reports(crowd: list[Child]) -> list[dict[str, Any]]:
    for worker in crowd:
        worker.tell("report")
    return [await worker.hear("report", timeout_s=30.0) for worker in crowd]


async def sample(minute: str, sky: Client, data: Path) -> tuple[Any, ...]:
    """One row: what the cloud says of its viewers, and what the system says of the cloud."""
    totals = (await sky.overview()).totals
    used = usage_of(cloud_processes(data))
    largest = max(used, key=lambda one: one.rss_bytes)
    return (
        minute,
        totals.get("viewers"),
        len(used),
        f"{sum(one.rss_bytes for one in used) / 1e6:.0f}",
        f"{sum(one.pss_bytes for one in used) / 1e6:.0f}",
        sum(one.descriptors for one in used),
        f"{largest.name} {largest.rss_bytes / 1e6:.0f} MB",
    )


def share(plan: Plan, number: int) -> int:
    return plan.viewers // plan.workers + (number < plan.viewers % plan.workers)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=Path("~/.skyriver"))
    arguments.add_argument("--channel", default="demo")
    arguments.add_argument("--minutes", type=float, default=15.0)
    arguments.add_argument("--viewers", type=int, default=50)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = vars(arguments.parse_args())
    print(header(), end="\n\n", flush=True)
    asyncio.run(soak(Plan(**chosen | {"data": chosen["data"].expanduser()})))


if __name__ == "__main__":
    main()
