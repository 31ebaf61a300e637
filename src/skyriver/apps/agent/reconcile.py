"""What the agent does with its children, as a pure state machine: (state, event, now) -> actions. No I/O, no clock.

One `Slot` for each workload that is wanted or still running:

    WAITING   no process; one is started at `due_s` (at once, or after a back-off)
    RUNNING   a process is there; it is `ready` after it said so
    LEAVING   a process is there that was told to drain; at `due_s` it is told more firmly: SIGTERM, then SIGKILL
    STAYING   the work has left the plan, and its process brings away what only this node has (see below)
    (gone)    no process and not wanted: the slot is forgotten

Rules:
- An unexpected end is followed by a restart after a back-off that doubles from 0.05 s to 5 s, and starts over once a
  process has lived for 10 s. A child that asks for a restart gets it without back-off, and so does one that is killed
  on request: a drill says nothing about the child, and a hundred of them are no crash loop.
- A changed spec is a command to the running child, not a restart; the child decides what it can take over.
- Work that leaves the plan drains. If it comes back meanwhile, it is started again after the old process has ended:
  there are never two processes of one workload.
- Work whose spec says `leave_within_s` has something that only this node holds. When it leaves the plan it is told
  `leave` instead, and started again as often as it ends without having said `left`; only then, or after that time, are
  its files forgotten. It may have left the plan while no agent was running: `stay` takes up what was found.
- After `stop` nothing is started any more.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

BACK_OFF_FIRST_S, BACK_OFF_LAST_S = 0.05, 5.0
HEALTHY_AFTER_S = 10.0
DRAIN_S = 5.0  # a relay tells its viewers to go elsewhere and waits for them to leave
TERM_S = 2.0  # from SIGTERM to SIGKILL
LEAVE_WITHIN_MAX_S = 7 * 86_400.0


@dataclass(frozen=True)
class Wanted:
    """One workload of the plan."""

    id: str
    kind: str
    name: str
    generation: int
    spec: Mapping[str, Any]

    @property
    def leave_within_s(self) -> float:
        """How long it may take to bring away what only this node has; 0 when it has nothing."""
        told = self.spec.get("leave_within_s")
        return min(float(told), LEAVE_WITHIN_MAX_S) if isinstance(told, int | float) and told > 0 else 0.0


@dataclass(frozen=True)
class Start:
    """Start a process for the workload. `leave`: only to bring away what it left here."""

    workload: Wanted
    leave: bool = False


@dataclass(frozen=True)
class Stay:
    """The workload has left the plan and is brought away within this time: to be remembered over restarts."""

    workload: Wanted
    within_s: float


@dataclass(frozen=True)
class Send:
    """Write a command to the workload's process."""

    workload_id: str
    command: Mapping[str, Any]


@dataclass(frozen=True)
class Signal:
    """Send the workload's process a signal."""

    workload_id: str
    signal: signal.Signals


@dataclass(frozen=True)
class Forget:
    """The workload has left for good; its files may go. `unfinished`: with what could not be brought away in time."""

    workload_id: str
    unfinished: bool = False


Action = Start | Send | Signal | Stay | Forget


class Phase(Enum):
    WAITING = "waiting"
    RUNNING = "running"
    LEAVING = "leaving"
    STAYING = "staying"


@dataclass
class Slot:
    """One workload's state."""

    workload: Wanted
    wanted: bool = True
    phase: Phase = Phase.WAITING
    due_s: float | None = 0.0
    started_s: float = 0.0
    back_off_s: float = 0.0
    restarts: int = 0
    asked_restart: bool = False
    kill_ordered: bool = False
    terminated: bool = False
    leave_by_s: float | None = None
    left: bool = False
    pid: int | None = None
    ready: dict[str, Any] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def stays(self) -> bool:
        """Whether it is here only to bring away what it left."""
        return self.leave_by_s is not None

    @property
    def state(self) -> str:
        """The word a heartbeat uses."""
        if self.phase in (Phase.LEAVING, Phase.STAYING):
            return "draining"
        if self.phase is Phase.RUNNING:
            return "ready" if self.ready is not None else "starting"
        return "backing_off" if self.restarts else "starting"


class Reconciler:
    """All slots of a node. Every method takes the time and returns what to do, in order."""

    def __init__(self) -> None:
        self.slots: dict[str, Slot] = {}
        self._stopping = False

    @property
    def empty(self) -> bool:
        """No process is left (and none will be started)."""
        return not self.slots

    def next_due_s(self) -> float | None:
        """When `tick` has something to do."""
        return min((slot.due_s for slot in self.slots.values() if slot.due_s is not None), default=None)

    def plan(self, workloads: list[Wanted], now_s: float) -> list[Action]:
        """A plan arrived."""
        if self._stopping:
            return []
        actions: list[Action] = []
        wanted = {workload.id: workload for workload in workloads}
        for workload_id, slot in list(self.slots.items()):
            if workload_id not in wanted:
                slot.wanted = False
                actions += self._leave(workload_id, slot, now_s)
        for workload in workloads:
            actions += self._want(workload, now_s)
        return actions + self.tick(now_s)

    def _want(self, workload: Wanted, now_s: float) -> list[Action]:
        slot = self.slots.get(workload.id)
        if slot is None:
            self.slots[workload.id] = Slot(workload, due_s=now_s)
            return []
        before, slot.workload, slot.wanted = slot.workload, workload, True
        slot.leave_by_s, slot.left = None, False
        if slot.phase is Phase.STAYING:
            return self._leave(workload.id, slot, now_s)
        if before.kind != workload.kind and slot.phase is Phase.RUNNING:
            slot.asked_restart = True
            return self._leave(workload.id, slot, now_s)
        if slot.phase is Phase.RUNNING and before.spec != workload.spec:
            return [Send(workload.id, {"cmd": "spec", "spec": workload.spec})]
        return []

    def started(self, workload_id: str, pid: int) -> None:
        """The process is there."""
        self.slots[workload_id].pid = pid

    def said(self, workload_id: str, event: Mapping[str, Any], now_s: float) -> list[Action]:
        """The process said something."""
        slot = self.slots.get(workload_id)
        if slot is None:
            return []
        match event.get("event"):
            case "ready":
                slot.ready = {key: value for key, value in event.items() if key != "event"}
            case "metrics":
                slot.metrics = {key: value for key, value in event.items() if key != "event"}
            case "left" if slot.phase is Phase.STAYING:
                slot.left = True
            case "restart_me" if slot.phase is Phase.RUNNING:
                slot.asked_restart = True
                return self._leave(workload_id, slot, now_s)
        return []

    def kill_ordered(self, workload_id: str) -> None:
        """Somebody has the process killed on purpose."""
        if (slot := self.slots.get(workload_id)) is not None:
            slot.kill_ordered = True

    def ended(self, workload_id: str, now_s: float) -> list[Action]:
        """The process has ended (or could not be started)."""
        slot = self.slots.get(workload_id)
        if slot is None:
            return []
        slot.pid, slot.ready, slot.metrics, slot.terminated = None, None, {}, False
        if self._stopping:
            del self.slots[workload_id]
            return []
        within_s = slot.workload.leave_within_s
        if not slot.wanted and not slot.stays and within_s:  # it left the plan while it was being restarted
            slot.phase, slot.due_s = Phase.WAITING, now_s
            return [*self._begin_to_stay(slot, within_s, now_s), *self.tick(now_s)]
        if not slot.wanted and (slot.left or slot.leave_by_s is None or now_s >= slot.leave_by_s):
            del self.slots[workload_id]
            return [Forget(workload_id, unfinished=slot.stays and not slot.left)]
        expected = slot.asked_restart or slot.phase is Phase.LEAVING
        ordered = slot.kill_ordered
        slot.phase, slot.asked_restart, slot.kill_ordered = Phase.WAITING, False, False
        slot.restarts += not expected
        if expected or ordered:
            slot.due_s = now_s
            return self.tick(now_s)
        if now_s - slot.started_s >= HEALTHY_AFTER_S:
            slot.back_off_s = 0.0
        slot.back_off_s = min(max(slot.back_off_s * 2, BACK_OFF_FIRST_S), BACK_OFF_LAST_S)
        slot.due_s = now_s + slot.back_off_s
        return []

    def stop(self, now_s: float) -> list[Action]:
        """Drain everything; nothing is started any more."""
        self._stopping = True
        actions: list[Action] = []
        for workload_id, slot in list(self.slots.items()):
            actions += self._leave(workload_id, slot, now_s)
        return actions

    def tick(self, now_s: float) -> list[Action]:
        """Time has passed."""
        actions: list[Action] = []
        for workload_id, slot in list(self.slots.items()):
            if slot.due_s is None or now_s < slot.due_s:
                continue
            if slot.phase is Phase.WAITING and slot.leave_by_s is not None and now_s >= slot.leave_by_s:
                del self.slots[workload_id]
                actions.append(Forget(workload_id, unfinished=True))
            elif slot.phase is Phase.WAITING:
                slot.phase, slot.due_s, slot.started_s = Phase.RUNNING, None, now_s
                if slot.stays:
                    slot.phase, slot.due_s = Phase.STAYING, slot.leave_by_s
                actions.append(Start(slot.workload, leave=slot.stays))
            elif slot.phase is Phase.STAYING:
                actions += self._drain(workload_id, slot, now_s)
            elif slot.phase is Phase.LEAVING:
                firm = signal.SIGKILL if slot.terminated else signal.SIGTERM
                # SIGKILL cannot be refused, but its target may be stuck in the kernel: it is sent again until it ends.
                slot.due_s, slot.terminated = now_s + TERM_S, True
                actions.append(Signal(workload_id, firm))
        return actions

    def stay(self, workload: Wanted, within_s: float, now_s: float) -> list[Action]:
        """Work was found here that has left the plan and was not brought away yet."""
        if self._stopping or workload.id in self.slots:
            return []
        self.slots[workload.id] = Slot(workload, wanted=False, due_s=now_s, leave_by_s=now_s + within_s)
        return [Stay(workload, within_s), *self.tick(now_s)]

    def _leave(self, workload_id: str, slot: Slot, now_s: float) -> list[Action]:
        if not (slot.wanted or self._stopping or slot.phase is Phase.LEAVING):
            if slot.stays:
                return []
            if within_s := slot.workload.leave_within_s:
                return self._begin_to_stay(slot, within_s, now_s)
        if slot.phase is Phase.WAITING:
            del self.slots[workload_id]
            return [] if self._stopping else [Forget(workload_id)]
        return [] if slot.phase is Phase.LEAVING else self._drain(workload_id, slot, now_s)

    @staticmethod
    def _begin_to_stay(slot: Slot, within_s: float, now_s: float) -> list[Action]:
        slot.leave_by_s = now_s + within_s
        stay = Stay(slot.workload, within_s)
        if slot.phase is Phase.WAITING:
            return [stay]
        slot.phase, slot.due_s = Phase.STAYING, slot.leave_by_s
        return [stay, Send(slot.workload.id, {"cmd": "leave"})]

    @staticmethod
    def _drain(workload_id: str, slot: Slot, now_s: float) -> list[Action]:
        slot.phase, slot.due_s, slot.terminated = Phase.LEAVING, now_s + DRAIN_S, False
        return [Send(workload_id, {"cmd": "drain"})]
