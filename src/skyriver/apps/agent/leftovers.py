"""What workloads leave on this node that nobody else has: which work it was, so that it can be brought away.

A workload whose spec says `leave_within_s` has a note in its folder from its first start on. Work may leave the plan
while no agent runs; the next one finds the note of work that its plan does not have.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

from skyriver.apps.agent.files import read_object, write_private
from skyriver.apps.agent.reconcile import Wanted
from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import WorldBroke

NOTE = "workload.json"

log = logging.getLogger("skyriver.agent")


class Leftovers:
    """The notes in workloads' folders. `workload_dir` gives a workload's own folder."""

    def __init__(self, workload_dir: Callable[[str], Path], now: Callable[[], datetime] = utc_now) -> None:
        self._workload_dir = workload_dir
        self._now = now

    def note(self, workload: Wanted, *, within_s: float | None = None) -> None:
        """Remember what runs here; `within_s`: it has left, and this much time remains to bring it away."""
        leave_by = None if within_s is None else (self._now() + timedelta(seconds=within_s)).isoformat()
        try:
            write_private(
                self._workload_dir(workload.id) / NOTE, json.dumps({**asdict(workload), "leave_by": leave_by})
            )
        except WorldBroke as error:  # what is brought away by this agent needs no note
            log.error("%s A restarted agent would not find what %s leaves here.", error, workload.name)

    def find(self, *, known: Collection[str]) -> list[tuple[Wanted, float]]:
        """Work that is not `known`, with the seconds that remain for it (0: its time is up)."""
        found = []
        for path in sorted(self._workload_dir("any").parent.glob(f"*/{NOTE}")):
            if path.parent.name in known or (note := read_object(path)) is None:
                continue
            try:
                leave_by = note.pop("leave_by")
                workload = Wanted(**note)
                remains_s = (
                    workload.leave_within_s
                    if leave_by is None
                    else (datetime.fromisoformat(leave_by) - self._now()).total_seconds()
                )
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                log.warning("%s cannot be read and is left as it is: %r.", path, error)
                continue
            if workload.id == path.parent.name:
                found.append((workload, max(0.0, min(remains_s, workload.leave_within_s))))
        return found
