"""From the station to the decoded frame in headless viewers, on a cloud that is up.

python bench/latency.py [--data DIR] [--channel demo] [--seconds 60] [--viewers 1]
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from skyriver.apps.cli.measure.latency import COLUMNS, LatencyReport, measure
from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.client import Client, find_cloud


async def run(data: Path | None, channel: str, seconds: float, viewers: int, track: str | None) -> LatencyReport:
    async with Client(find_cloud(data)) as sky:
        return await measure(sky, channel, seconds=seconds, viewers=viewers, tell=lambda done, words: None, track=track)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--channel", default="demo")
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--viewers", type=int, default=1)
    arguments.add_argument("--track")
    chosen = arguments.parse_args()
    print(header(), end="\n\n", flush=True)
    report = asyncio.run(run(chosen.data, chosen.channel, chosen.seconds, chosen.viewers, chosen.track))
    print(markdown(COLUMNS, report.rows()))


if __name__ == "__main__":
    main()
