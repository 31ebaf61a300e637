"""Alarms that workloads speak out themselves: `channel.emit("alarm", ...)` in any child process of any service.

    {"event": "alarm", "kind": "recorder_gap", "severity": "critical", "state": "raised" | "cleared",
     "subject": {"kind": "channel", "id": "ch_…", "name": "…"}, "message": "…", "hint": "…"}

`severity` is `warning` if it is left out, the subject the workload itself. Without a `state` the event tells of
something that happened once: its alarm clears by itself after `ONCE_S`. Alarms of a workload that is gone, or was
started again, clear as well: what still holds is said again. They belong to the tenant that the workload works for,
and to the operator where it works for all.

An event may be lost on its way (see `WorkloadEvents`); what must not be lost belongs into metrics.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from skyriver.platform.alarms.desk import AlarmDesk
from skyriver.platform.alarms.machines import operator_tenant_id_of
from skyriver.platform.alarms.model import Condition, Severity, Subject
from skyriver.platform.store import Store
from skyriver.platform.workloads.cluster import Cluster
from skyriver.platform.workloads.hearing import ANY_KIND
from skyriver.platform.workloads.model import ObservedState, ObservedWorkload

LOOK_EVERY_S = 1.0
ONCE_S = 60.0
PER_WORKLOAD_MAX = 50
TEXT_CHARS_MAX = 500
NAME_CHARS_MAX = 100


@dataclass(frozen=True)
class _Spoken:
    condition: Condition
    workload_id: str
    restarts: int
    ends_s: float | None


@dataclass
class SpokenAlarms:
    """What workloads have said and not taken back. `now_s` is monotonic seconds."""

    _said: dict[tuple[str, str], _Spoken] = field(default_factory=dict)

    def take(self, workload: ObservedWorkload, body: dict[str, Any], tenant_id: str, now_s: float) -> None:
        """One event. What is no alarm event is left alone."""
        kind = _text(body.get("kind"), NAME_CHARS_MAX)
        if not kind:
            return
        condition = Condition(
            tenant_id,
            kind,
            Severity.CRITICAL if body.get("severity") == Severity.CRITICAL else Severity.WARNING,
            _subject(workload, body.get("subject")),
            _text(body.get("message"), TEXT_CHARS_MAX) or kind.replace("_", " "),
            _text(body.get("hint"), TEXT_CHARS_MAX),
        )
        name = (workload.id, condition.key)
        if body.get("state") == "cleared":
            self._said.pop(name, None)
        elif sum(workload_id == workload.id for workload_id, _ in self._said) < PER_WORKLOAD_MAX:
            ends_s = None if body.get("state") == "raised" else now_s + ONCE_S
            self._said[name] = _Spoken(condition, workload.id, workload.restarts, ends_s)

    def holding(self, observed: ObservedState, now_s: float) -> list[Condition]:
        """The conditions that hold now; forgets what is over."""
        running = {workload.id: workload for workload in observed.workloads}
        for name, said in list(self._said.items()):
            workload = running.get(said.workload_id)
            gone = workload is None or (workload.reported and workload.restarts != said.restarts)
            if (gone and said.ends_s is None) or (said.ends_s is not None and now_s >= said.ends_s):
                del self._said[name]
        return [said.condition for said in self._said.values()]


def _subject(workload: ObservedWorkload, value: Any) -> Subject:
    if isinstance(value, dict) and (kind := _text(value.get("kind"), 40)) and (id_ := _text(value.get("id"), 64)):
        return Subject(kind, id_, _text(value.get("name"), NAME_CHARS_MAX))
    return Subject("workload", workload.id, workload.name)


def _text(value: Any, chars_max: int) -> str:
    """Text from a child process: bounded, printable."""
    return "".join(c for c in value[:chars_max] if c.isprintable()) if isinstance(value, str) else ""


class SpokenWatch:
    """The component: hears alarm events of all workloads."""

    def __init__(self, desk: AlarmDesk, store: Store, cluster: Cluster) -> None:
        self._desk = desk
        self._source = desk.source("workloads")
        self._store = store
        self._cluster = cluster
        self._spoken = SpokenAlarms()

    async def run(self) -> None:
        with self._cluster.listening(ANY_KIND) as events:
            operator_tenant_id = await operator_tenant_id_of(self._store)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look())
                async for event in events:
                    if event.name == "alarm":
                        tenant_id = event.workload.tenant_id or operator_tenant_id
                        self._spoken.take(event.workload, event.body, tenant_id, self._desk.now_s())

    async def _look(self) -> None:
        while True:
            await self._source.look(self._spoken.holding(self._cluster.observed, self._desk.now_s()))
            await asyncio.sleep(LOOK_EVERY_S)
