"""Listens to the nodes: heartbeats, the passing of time between them, and what workloads have to say."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from skyriver.fabric.bus import Bus, Message, Subscription
from skyriver.fabric.bus.node_keys import is_signed_by
from skyriver.kernel.clock import Monotonic, monotonic_s, utc_now
from skyriver.platform.web.events import EventHub
from skyriver.platform.workloads.controller import Controller
from skyriver.platform.workloads.heartbeats import Heartbeat, foreign
from skyriver.platform.workloads.liveness import Change
from skyriver.platform.workloads.model import NodeState, ObservedWorkload
from skyriver.platform.workloads.view import ClusterView

log = logging.getLogger("skyriver.workloads")

TICK_S = 0.1
NUDGE_AGAIN_S = 1.0  # how often a node that runs an old plan is told so
STRANGERS_EVERY_S = 0.5  # how often unknown nodes make us read the store: anybody on the bus could be one
EVENT_QUEUE = 1024
ANY_KIND = "*"


@dataclass(frozen=True)
class WorkloadEvent:
    """What a workload said, e.g. `{"event": "input", "state": "started", ...}`. `at_s` is our monotonic time."""

    workload: ObservedWorkload
    body: dict[str, Any]
    at_s: float

    @property
    def name(self) -> str:
        return str(self.body.get("event", ""))


class WorkloadEvents:
    """Events of one kind of workload, as an async iterator for one reader.

    Events travel on the lossy bus and the queue drops its oldest when it is full: they hint that something changed.
    What must be true in the end is in the workload's `ready` and `metrics`, which every heartbeat repeats.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.dropped = 0
        self._waiting: deque[WorkloadEvent] = deque(maxlen=EVENT_QUEUE)
        self._arrived = asyncio.Event()

    def offer(self, event: WorkloadEvent) -> None:
        if len(self._waiting) == EVENT_QUEUE:
            self.dropped += 1
        self._waiting.append(event)
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[WorkloadEvent]:
        return self

    async def __anext__(self) -> WorkloadEvent:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()


class Hearing:
    """Runs the listeners. Create it before the bus connects: subscriptions are registered at construction."""

    def __init__(
        self, bus: Bus, view: ClusterView, controller: Controller, hub: EventHub, *, monotonic: Monotonic = monotonic_s
    ) -> None:
        self._bus = bus
        self._view = view
        self._controller = controller
        self._hub = hub
        self._monotonic = monotonic
        self._beats = bus.subscribe("sky.hb.*")
        self._said = bus.subscribe("sky.event.*")
        self._listeners: list[WorkloadEvents] = []
        self._nudged_at_s: dict[str, float] = {}
        self._met_at_s = -STRANGERS_EVERY_S

    def listen(self, kind: str) -> WorkloadEvents:
        """Events of all workloads of `kind` (`ANY_KIND`: of all) from now on."""
        events = WorkloadEvents(kind)
        self._listeners.append(events)
        return events

    def unlisten(self, events: WorkloadEvents) -> None:
        self._listeners.remove(events)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_connection())
            tasks.create_task(self._each(self._beats, self._take_beat))
            tasks.create_task(self._each(self._said, self._take_event))
            tasks.create_task(self._tick())

    async def _follow_connection(self) -> None:
        while True:
            await self._bus.wait_connected()
            self._view.liveness.hearing(self._monotonic())
            await self._bus.wait_disconnected()
            self._view.liveness.deaf()

    @staticmethod
    async def _each(messages: Subscription, take: Callable[[Message], Any]) -> None:
        async for message in messages:
            outcome = take(message)
            if asyncio.iscoroutine(outcome):
                await outcome

    async def _take_beat(self, message: Message) -> None:
        node_id = message.subject.rpartition(".")[2]
        if node_id not in self._view.reports.keys:
            self._meet(node_id)
            return
        before = self._view.observed.node(node_id)
        beat = self._view.reports.take(message)
        if beat is None:
            return
        now_s = self._monotonic()
        if change := self._view.liveness.heard(node_id, now_s):
            self._note(change)
        self._view.changed()
        after = self._view.observed.node(node_id)
        if before is None or after is None:
            return
        if [(w.id, w.ready) for w in before.workloads] != [(w.id, w.ready) for w in after.workloads]:
            self._controller.kick()  # an address or a fingerprint is new: others have to be told
        self._note_restarts(before.workloads, after.workloads)
        await self._nudge_if_behind(beat, after.workloads, now_s)

    def _meet(self, node_id: str) -> None:
        """A stranger: it joined a moment ago or through another process, or was deleted and does not know yet."""
        now_s = self._monotonic()
        if now_s - self._met_at_s >= STRANGERS_EVERY_S:
            self._met_at_s = now_s
            self._controller.kick()

    async def _nudge_if_behind(self, beat: Heartbeat, own: tuple[ObservedWorkload, ...], now_s: float) -> None:
        planned = next((node.plan_generation for node in self._view.rows.nodes if node.id == beat.node_id), 0)
        behind = beat.plan_generation < planned or bool(foreign(beat, own))
        if behind and now_s - self._nudged_at_s.get(beat.node_id, -NUDGE_AGAIN_S) >= NUDGE_AGAIN_S:
            self._nudged_at_s[beat.node_id] = now_s
            await self._controller.nudge(beat.node_id)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            changes = self._view.liveness.tick(self._monotonic())
            for change in changes:
                self._note(change)
            if changes:
                self._view.changed()

    def _note(self, change: Change) -> None:
        node = next((row for row in self._view.rows.nodes if row.id == change.node_id), None)
        name = node.name if node else change.node_id
        level = logging.INFO if change.after is NodeState.ALIVE else logging.WARNING
        log.log(level, "Node %s: %s -> %s.", name, change.before.value, change.after.value)
        if change.after in (NodeState.ALIVE, NodeState.DEAD):
            self._controller.kick()
        if change.after is NodeState.DEAD or change.before is NodeState.DEAD:
            died = change.after is NodeState.DEAD
            self.incident(
                "node_dead" if died else "node_back",
                node=change.node_id,
                message=f"Node {name} " + ("stopped answering." if died else "answers again."),
            )

    def _note_restarts(self, before: tuple[ObservedWorkload, ...], after: tuple[ObservedWorkload, ...]) -> None:
        restarts = {workload.id: workload.restarts for workload in before if workload.reported}
        for workload in after:
            if workload.restarts > restarts.get(workload.id, workload.restarts):
                self.incident(
                    "workload_restarted",
                    node=workload.node_id,
                    workload=workload,
                    message=f"{workload.name} ended unexpectedly and was started again.",
                )

    def incident(
        self, kind: str, *, message: str, node: str | None = None, workload: ObservedWorkload | None = None
    ) -> None:
        """Tell the operators, and the tenant whose work it is."""
        body = {
            "at": utc_now().isoformat(),
            "kind": kind,
            "node": node,
            "workload": workload.id if workload else None,
            "message": message,
        }
        self._hub.publish("incident", body)
        if workload is not None and workload.tenant_id:
            self._hub.publish("incident", body, tenant_id=workload.tenant_id)

    def _take_event(self, message: Message) -> None:
        node_id = message.subject.rpartition(".")[2]
        key = self._view.reports.keys.get(node_id)
        if key is None or not is_signed_by(key, message.subject, message.payload, message.headers):
            log.warning("An event in the name of node %s is not signed by it; ignored.", node_id)
            return
        try:
            body = json.loads(message.payload)
            workload_id, event = str(body["workload_id"]), dict(body["event"])
        except (ValueError, KeyError, TypeError):
            log.warning("An event of node %s cannot be read; ignored.", node_id)
            return
        workload = self._view.observed.workload_by_id(workload_id)
        if workload is None or workload.node_id != node_id or body.get("generation") != workload.generation:
            return  # what was moved away has nothing to say any more
        happened = WorkloadEvent(workload, event, self._monotonic())
        if happened.name == "fatal":
            text = f"{workload.name}: {event.get('message', '')} {event.get('hint', '')}".strip()
            self.incident("workload_failed", node=node_id, workload=workload, message=text)
        for listener in self._listeners:
            if listener.kind in (workload.kind, ANY_KIND):
                listener.offer(happened)
