"""Over a long line in Chromium: how soon the first picture comes by Media over QUIC, and what a new address costs.

    sudo python -m bench.first_picture [--rtt 40] [--opens 12]

A cloud in one network namespace, Chromium with a public watch page in another, a line with delay between them (see
link.py). The page is opened again and again; the player says how long its ticket, its session and its first picture
took. Then, while it plays, the router between them gives the viewer another address, as when a phone changes its
network: told are the longest still picture and whether the player changed its edge. Needs root, Linux and Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from bench.impaired import CLOUD_PORT, SERVER, inside, line, running, start_cloud
from skyriver.apps.cli.measure.chromium import running_chromium
from skyriver.apps.cli.measure.console_page import PLAYER, painted, stats, turn_sound_on
from skyriver.apps.cli.measure.machine import header, markdown

PAGE = f"http://{SERVER}:{CLOUD_PORT}/watch/skyriver/demo"
OTHER_ADDRESSES = ("10.77.0.9", "10.77.0.10", "10.77.0.11")
SETTLE_S = 4.0


async def watch(opens: int) -> None:
    secure = f"--unsafely-treat-insecure-origin-as-secure=http://{SERVER}:{CLOUD_PORT}"  # WebTransport wants it
    async with running_chromium(secure) as browser:
        page = await browser.page()
        told = []
        for _ in range(opens + 1):
            await page.open("about:blank")
            await page.open(PAGE)
            told.append(await painted(page))
        tell_starts(told[1:])  # the first one fills the browser's cache
        await page.evaluate(f"{PLAYER}.setAttribute('latency', 'ultra-low')")
        await turn_sound_on(page)
        rows = []
        for address in OTHER_ADDRESSES:
            await asyncio.sleep(SETTLE_S)
            await page.evaluate(f"{PLAYER}.resetGaps()")
            before = await stats(page)
            print(f"LINK address {address}", flush=True)
            await asyncio.sleep(SETTLE_S)
            after = await stats(page)
            gaps = (round(after["paint_gap_ms_max"]), round(after["audio_gap_ms_max"]))
            rows.append((address, *gaps, after["switches"] - before["switches"], after["edge"] == before["edge"]))
        print("\n" + markdown(("new address", "longest picture ms", "sound gap ms", "switches", "same edge"), rows))


def tell_starts(told: list[dict[str, Any]]) -> None:
    """Each leg of the start: medians and the worst."""
    legs = {
        "ticket": [one["ticket_ms"] for one in told],
        "session, from the ticket": [one["session_ms"] - one["ticket_ms"] for one in told],
        "first picture, from the session": [one["startup_ms"] - one["session_ms"] for one in told],
        "first picture, from the ticket": [one["startup_ms"] - one["ticket_ms"] for one in told],
        "first picture, from the wish to play": [one["startup_ms"] for one in told],
    }
    rows = [(name, f"{min(ms):.0f}", f"{median(ms):.0f}", f"{max(ms):.0f}") for name, ms in legs.items()]
    print(markdown(("leg", "least ms", "median ms", "most ms"), rows))
    print(f"\n{len(told)} openings; over {', '.join(sorted({str(one['protocol']) for one in told}))}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rtt", type=float, default=40)
    parser.add_argument("--opens", type=int, default=12)
    parser.add_argument("--watch", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.watch:
        asyncio.run(watch(chosen.opens))
        return
    print(header(), end="\n\n", flush=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="skyriver-bench-")))
        link = stack.enter_context(line(chosen.rtt))
        assert link.stdin is not None
        start_cloud(stack, folder / "cloud")
        time.sleep(8)  # the demo channel is on air
        command = inside("skB", sys.executable, "-m", "bench.first_picture", "--watch", "--opens", str(chosen.opens))
        watching = stack.enter_context(running(command, stdout=subprocess.PIPE))
        assert watching.stdout is not None
        for said in watching.stdout:
            if said.startswith("LINK "):
                link.stdin.write(said.removeprefix("LINK "))
                link.stdin.flush()
            else:
                print(said, end="", flush=True)


if __name__ == "__main__":
    main()
