"""CPU and memory of a whole cloud on this machine while nobody watches.

    python bench/rest.py [--data DIR] [--seconds 60]

CPU is in percent of one core. PSS shares common pages fairly between processes: its sum is what the cloud really takes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from skyriver.apps.cli.measure.machine import header, markdown
from skyriver.apps.cli.measure.processes import cloud_processes, usage_of
from skyriver.client.cloud import DEFAULT_DATA

COLUMNS = ("process", "pid", "CPU %", "RSS MB", "PSS MB", "descriptors")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, default=DEFAULT_DATA)
    arguments.add_argument("--seconds", type=float, default=60.0)
    chosen = arguments.parse_args()
    print(header(), end="\n\n", flush=True)
    processes = cloud_processes(chosen.data.expanduser())
    before, from_s = {one.pid: one for one in usage_of(processes)}, time.monotonic()
    time.sleep(chosen.seconds)
    passed_s = time.monotonic() - from_s
    rows, totals = [], [0.0, 0.0, 0.0]
    for one in usage_of(processes):
        cpu_percent = 100 * (one.cpu_s - before[one.pid].cpu_s) / passed_s
        figures = (cpu_percent, one.rss_bytes / 1e6, one.pss_bytes / 1e6)
        totals = [total + figure for total, figure in zip(totals, figures, strict=True)]
        rows.append((one.name, one.pid, *(f"{figure:.1f}" for figure in figures), one.descriptors))
    rows.append(("all", None, *(f"{total:.1f}" for total in totals), None))
    print(markdown(COLUMNS, rows))


if __name__ == "__main__":
    main()
