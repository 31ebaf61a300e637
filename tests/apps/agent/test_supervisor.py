"""The supervisor over real processes: what a burst of news does to them, and what a damaged note does to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skyriver.apps.agent.leftovers import NOTE, Leftovers
from skyriver.apps.agent.reconcile import Wanted
from skyriver.apps.agent.supervisor import Supervisor, Trust

PATIENCE_S = 40.0  # only a failure takes that long
TRUST = Trust({"keys": []}, ())


def probe(value: int) -> Wanted:
    return Wanted("wl_1", "probe", "probe/x", 1, {"value": value})


async def test_a_burst_of_revocations_kills_nobody(tmp_path: Path) -> None:
    ready: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
    supervisor = Supervisor(
        "nd_1", lambda id_: tmp_path / id_, on_usage=lambda _: None, on_event=lambda _, event: ready.put_nowait(event)
    )
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(supervisor.run())
        await supervisor.apply([probe(1)], TRUST)
        first = await ready.get()
        for number in range(1000):  # a channel's recordings all at once, or all there is after the API's restart
            await supervisor.deny({"subject": f"root vod/{number}", "before_us": 1, "exp": 4_000_000_000})
        await supervisor.apply([probe(2)], TRUST)
        second = await ready.get()
        assert (second["value"], second["pid"]) == (2, first["pid"])
        await supervisor.stop()


def test_a_note_that_says_nonsense_is_left_as_it_is(tmp_path: Path) -> None:
    for name, spec in (("wl_1", []), ("wl_2", {"leave_within_s": 60})):
        (tmp_path / name).mkdir()
        note = {"id": name, "kind": "probe", "name": "x", "generation": 1, "spec": spec, "leave_by": None}
        (tmp_path / name / NOTE).write_text(json.dumps(note))
    found = Leftovers(lambda id_: tmp_path / id_).find(known=())
    assert [workload.id for workload, _ in found] == ["wl_2"]
