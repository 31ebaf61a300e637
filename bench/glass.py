"""From glass to glass in a real browser: how old is what Chromium paints, and how long until it paints at all.

    python bench/glass.py [--data DIR] [--up] [--channel skyriver/demo] [--seconds 30] [--opens 5]

The feeder draws its clock into the picture as a strip that machines can read; this reads the strip from the player's
canvas in the very frame in which it was painted, and compares it with the page's clock: drawing, encoding, RTMP,
station, transcoder, origin, edge, player's cushion, decoding. What the screen takes to show a painted canvas comes on
top: one refresh, 17 ms at 60 Hz. Both clocks are one clock only where the cloud runs on this machine.

One row for each latency the viewer can choose, and for the source (which passes the transcoder as it came) as well as
for the smallest rendition (decoded and encoded again); the cushion is what the player waits on purpose. With `--up`
it starts the cloud on DIR itself, which must have been up before, and also tells the time from `up` to the first
painted frame.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from skyriver.apps.cli.measure.chromium import Chromium, Page, running_chromium
from skyriver.apps.cli.measure.clock_watch import watch_clock
from skyriver.apps.cli.measure.cloud_process import running_cloud
from skyriver.apps.cli.measure.console_page import PLAYER, STATS, painted, stats
from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.apps.cli.measure.summary import summarise
from skyriver.client import find_cloud

MODES = {"ultra-low": 100, "low": 500}  # the player's own, and their cushions in ms
COLUMNS = ("latency mode", "cushion ms", "picture", "frames", "p50 ms", "p99 ms", "max ms", "stalls")
CANVAS = f"{PLAYER}.shadowRoot.querySelector('canvas')"
SETTLE_FRAMES = 150  # after a change of mode the playout clock needs some seconds to find its place


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    data: Path | None
    up: bool
    channel: str
    seconds: float
    opens: int


async def run(plan: Plan) -> None:
    async with AsyncExitStack() as stack:
        browser = await stack.enter_async_context(running_chromium())
        started_s = time.monotonic()
        url = await cloud_url(plan, stack)
        page, opening_ms = await opened(browser, f"{url}/watch/{plan.channel}")
        up_to_paint_s = time.monotonic() - started_s
        tracks = await renditions(page)
        rows = [await row(page, mode, track, plan.seconds) for mode in MODES for track in tracks]
        await page.close()
        openings = [opening_ms]
        for _ in range(plan.opens - 1):
            page, opening_ms = await opened(browser, f"{url}/watch/{plan.channel}")
            openings.append(opening_ms)
            await page.close()
    print(markdown(COLUMNS, rows))
    told = ", ".join(f"{opening:.0f}" for opening in openings)
    print(f"\nFrom opening the page, with an empty cache, to the first painted frame: {told} ms.")
    if plan.up:
        print(f"From `up` to the first painted frame: {up_to_paint_s:.1f} s.")


async def cloud_url(plan: Plan, stack: AsyncExitStack) -> str:
    if not plan.up:
        return find_cloud(plan.data).url
    if plan.data is None:
        raise SystemExit("--up needs --data DIR, the folder of a cloud that has been up before.")
    return (await stack.enter_async_context(running_cloud(plan.data))).url


async def opened(browser: Chromium, url: str) -> tuple[Page, float]:
    """A tab of its own with the page in it, and how long its first frame took, by the page's own clock."""
    page = await browser.page()
    await page.open(url)
    await painted(page)
    return page, (await stats(page))["page_to_paint_ms"]


async def renditions(page: Page) -> list[str]:
    """The largest and the smallest that the player offers."""
    offered: list[str] = await page.wait_for(_QUALITIES)
    return [offered[0], offered[-1]]


async def row(page: Page, mode: str, track: str, seconds: float) -> tuple[object, ...]:
    await page.evaluate(f"{PLAYER}.setAttribute('latency', '{mode}')")
    await page.evaluate(f"{PLAYER}.setAttribute('quality', '{track}')")
    await page.wait_for(f"{STATS}?.rendition === '{track}'")
    await painted(page, SETTLE_FRAMES)
    before = await stats(page)
    seen = await watch_clock(page, CANVAS, seconds)
    after = await stats(page)
    ages = summarise(seen.ages_ms)
    picture = f"{track} {after['width']}x{after['height']}"
    return mode, MODES[mode], picture, ages.count, ages.p50, ages.p99, ages.max, after["stalls"] - before["stalls"]


_QUALITIES = """(() => {
  const menu = document.querySelector("skyriver-player").shadowRoot.querySelector("select.quality");
  const tracks = [...menu.options].map((option) => option.value).filter(Boolean);
  return tracks.length > 0 && tracks;
})()"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--up", action="store_true", help="start the cloud on DIR, and stop it afterwards")
    arguments.add_argument("--channel", default="skyriver/demo", metavar="TENANT/CHANNEL", help="a public channel")
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--opens", type=int, default=5, help="how often to open the page")
    print(header(), end="\n\n", flush=True)
    asyncio.run(run(Plan(**vars(arguments.parse_args()))))


if __name__ == "__main__":
    main()
