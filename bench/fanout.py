"""Viewers per relay, what each costs, and the relay's behaviour at 1.5 times its limit; nginx-rtmp beside it.

    python bench/fanout.py [--step 50] [--most 400] [--seconds 10] [--workers 2]

Needs no cloud: it starts its own relay, publisher, and viewers. Takes about a minute per 100 viewers and server.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from skyriver.apps.cli.measure.fanout import COLUMNS, FanoutPlan, measure
from skyriver.apps.cli.measure.machine import header, markdown


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--step", type=int, default=50)
    arguments.add_argument("--most", type=int, default=400)
    arguments.add_argument("--seconds", type=float, default=10.0)
    arguments.add_argument("--workers", type=int, default=2)
    chosen = arguments.parse_args()
    print(header(), end="\n\n", flush=True)
    plan = FanoutPlan(step=chosen.step, most=chosen.most, seconds=chosen.seconds, workers=chosen.workers)
    report = asyncio.run(measure(plan, lambda done, words: print(words, file=sys.stderr)))
    print(markdown(COLUMNS, report.rows()))
    print(f"\n{report.verdict()}")


if __name__ == "__main__":
    main()
