"""Whether a browser's picture stalls when the edge it plays from is killed, again and again, by the page's own button.

    python bench/stalls.py [--data DIR] [--channel demo] [--kills 50]

Signs in with the cloud's first login, opens the channel's page with the player's default cushion, and presses
"Kill this edge" each time its spare session is ready. One row: what the player itself measured over all kills.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from skyriver.apps.cli.measure.chromium import Page, running_chromium
from skyriver.apps.cli.measure.console_page import STATS, open_at, painted, sign_in, stats
from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.apps.cli.measure.summary import summarise
from skyriver.client import find_cloud
from skyriver.client.cloud import DEFAULT_DATA

COLUMNS = ("kills", "without new frames: p50 ms", "p99 ms", "max ms", "longest picture ms", "stalls")
SETTLE_FRAMES = 60


async def run(data: Path, channel: str, kills: int) -> None:
    login = json.loads((data / "first-login.json").read_text())
    url = find_cloud(data).url
    async with running_chromium() as browser:
        page = await browser.page()
        await sign_in(page, url, login["email"], login["password"])
        await open_at(page, url, f"/channels/{channel}")
        await painted(page, SETTLE_FRAMES)
        before = await stats(page)
        gaps_ms, longest_ms = [], 0.0
        for _ in range(kills):
            gap_ms, picture_ms = await kill(page)
            gaps_ms.append(gap_ms)
            longest_ms = max(longest_ms, picture_ms)
        after = await stats(page)
    gaps = summarise(gaps_ms)
    row = (kills, gaps.p50, gaps.p99, gaps.max, round(longest_ms), after["stalls"] - before["stalls"])
    print(markdown(COLUMNS, [row]))


async def kill(page: Page) -> tuple[float, float]:
    """Press the button once; how long no frame came, and how long one picture stood on the screen."""
    await page.wait_for(f"{STATS}?.warm_edge", timeout_s=60)
    switches = (await stats(page))["switches"]
    await page.click("text=Kill this edge")
    await page.wait_for(f"{STATS}?.switches > {switches}")
    await page.wait_for("document.querySelector('[data-testid=drill-result]')")
    seen = await stats(page)
    return seen["gap_ms_max"], seen["paint_gap_ms_max"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DEFAULT_DATA)
    arguments.add_argument("--channel", default="demo")
    arguments.add_argument("--kills", type=int, default=50)
    chosen = arguments.parse_args()
    print(header(), end="\n\n", flush=True)
    asyncio.run(run(chosen.data, chosen.channel, chosen.kills))


if __name__ == "__main__":
    main()
