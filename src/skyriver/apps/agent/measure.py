"""What the node's processes use: measured once a second, because asking the system costs more than telling others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import psutil

from skyriver.apps.agent.reconcile import Slot

EVERY_S = 1.0


class Measure:
    """CPU (cores) and resident memory (bytes) of the agent and of each child."""

    def __init__(self, slots: Mapping[str, Slot]) -> None:
        self._slots = slots
        self._own = psutil.Process()
        self._processes: dict[int, psutil.Process] = {self._own.pid: self._own}
        self._seen: dict[int, tuple[float, int]] = {}

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(EVERY_S)

    def look(self) -> None:
        """Measure now. The first look at a process has no interval yet and finds 0 cores."""
        pids = {slot.pid for slot in self._slots.values() if slot.pid is not None} | {self._own.pid}
        self._processes = {pid: process for pid, process in self._processes.items() if pid in pids}
        seen: dict[int, tuple[float, int]] = {}
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                process = self._processes.setdefault(pid, self._own if pid == self._own.pid else psutil.Process(pid))
                seen[pid] = (round(process.cpu_percent() / 100, 4), process.memory_info().rss)
        self._seen = seen

    def of(self, pid: int | None) -> dict[str, Any]:
        """One process, as metrics; nothing when it was not measured yet."""
        if pid is None or pid not in self._seen:
            return {}
        cpu, memory_bytes = self._seen[pid]
        return {"cpu": cpu, "memory_bytes": memory_bytes}

    def total(self) -> tuple[float, int]:
        """Cores and bytes of all together."""
        return round(sum(cpu for cpu, _ in self._seen.values()), 4), sum(used for _, used in self._seen.values())
