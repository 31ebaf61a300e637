"""Carries the reconciler's actions out. One task owns all slots; everybody else sends it messages."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyriver.apps.agent.children import Child
from skyriver.apps.agent.leftovers import Leftovers
from skyriver.apps.agent.reconcile import Action, Forget, Reconciler, Send, Signal, Slot, Start, Stay, Wanted
from skyriver.kernel.clock import Monotonic, monotonic_s

log = logging.getLogger("skyriver.agent")

QUEUE_NEWS = 4096  # full: children wait in their pipes, which hold 64 KiB each


@dataclass(frozen=True)
class Trust:
    """What every child is told beside its spec: who signs grants, and which are revoked."""

    jwks: Mapping[str, Any]
    denied: tuple[Mapping[str, Any], ...]

    def command(self) -> dict[str, Any]:
        return {"jwks": self.jwks, "denied": list(self.denied)}


@dataclass(frozen=True)
class _Plan:
    workloads: list[Wanted]
    trust: Trust


@dataclass(frozen=True)
class _Said:
    workload_id: str
    event: dict[str, Any]


@dataclass(frozen=True)
class _Ended:
    workload_id: str


@dataclass(frozen=True)
class _Deny:
    denial: Mapping[str, Any]


class _Stop:
    pass


_News = _Plan | _Said | _Ended | _Deny | _Stop


class Supervisor:
    """The node's children.

    Args:
        workload_dir: a workload's own folder.
        certificate: the files of the operator's own certificate for relays, if there are now.
        on_usage: takes a usage event; must not wait.
        on_event: takes any other event that others may want to hear: (workload, event). Must not wait.
    """

    def __init__(
        self,
        node_id: str,
        workload_dir: Callable[[str], Path],
        *,
        certificate: Callable[[], dict[str, str] | None] = lambda: None,
        on_usage: Callable[[dict[str, Any]], None],
        on_event: Callable[[Wanted, dict[str, Any]], None],
        monotonic: Monotonic = monotonic_s,
    ) -> None:
        self._node_id = node_id
        self._workload_dir = workload_dir
        self._leftovers = Leftovers(workload_dir)
        self._looked_for_leftovers = False
        self._certificate = certificate
        self._on_usage = on_usage
        self._on_event = on_event
        self._monotonic = monotonic
        self._reconciler = Reconciler()
        self._children: dict[str, Child] = {}
        self._trust = Trust({"keys": []}, ())
        self._denied: set[frozenset[tuple[str, Any]]] = set()
        self._news: asyncio.Queue[_News] = asyncio.Queue(QUEUE_NEWS)

    @property
    def slots(self) -> Mapping[str, Slot]:
        """What there is, for heartbeats and metrics."""
        return self._reconciler.slots

    async def apply(self, workloads: list[Wanted], trust: Trust) -> None:
        """Follow a plan from now on."""
        await self._news.put(_Plan(workloads, trust))

    async def deny(self, denial: Mapping[str, Any]) -> None:
        """Pass the revocation of a grant on to every child."""
        await self._news.put(_Deny(denial))

    async def stop(self) -> None:
        """Drain everything; `run` returns when the last process has ended."""
        await self._news.put(_Stop())

    def kill(self, workload_id: str, number: signal.Signals) -> int | None:
        """Signal a workload's process now, on request; its pid, or None when it has none."""
        pid = self._signal(workload_id, number)
        if pid is not None:
            self._reconciler.kill_ordered(workload_id)  # its end is news that comes through the queue, thus later
        return pid

    def tell(self, workload_id: str, command: Mapping[str, Any]) -> bool:
        """Pass a command of the workload's own kind on to its process; False when it has none."""
        child = self._children.get(workload_id)
        if child is None or child.pid is None:
            return False
        child.send(command)
        return True

    async def run(self) -> None:
        """Until `stop`; cancelled, it kills all processes."""
        stopping = False
        async with asyncio.TaskGroup() as tasks:
            while not (stopping and self._reconciler.empty):
                news = await self._next()
                now_s = self._monotonic()
                stopping = stopping or isinstance(news, _Stop)
                for action in self._react(news, now_s):
                    self._carry_out(action, tasks)
                # Reading a burst of news waits for nothing: without this, no child would be written to meanwhile.
                await asyncio.sleep(0)

    def _signal(self, workload_id: str, number: signal.Signals) -> int | None:
        child = self._children.get(workload_id)
        pid = child.pid if child else None
        return pid if child is not None and pid is not None and child.signal(number) else None

    async def _next(self) -> _News | None:
        due_s = self._reconciler.next_due_s()
        timeout_s = None if due_s is None else max(0.0, due_s - self._monotonic())
        try:
            async with asyncio.timeout(timeout_s):
                return await self._news.get()
        except TimeoutError:
            return None

    def _react(self, news: _News | None, now_s: float) -> list[Action]:
        match news:
            case None:
                return self._reconciler.tick(now_s)
            case _Plan():
                told = self._trust
                self._trust = news.trust
                self._denied = {frozenset(denial.items()) for denial in news.trust.denied}
                if told != news.trust:
                    self._tell_all({"cmd": "keys", **news.trust.command()})
                return self._reconciler.plan(news.workloads, now_s) + self._take_up_leftovers(now_s)
            case _Said():
                return self._said(news, now_s)
            case _Ended():
                self._children.pop(news.workload_id, None)
                return self._reconciler.ended(news.workload_id, now_s)
            case _Deny():
                if (entry := frozenset(news.denial.items())) not in self._denied:  # else every child has heard it
                    self._denied.add(entry)
                    self._trust = Trust(self._trust.jwks, (*self._trust.denied, news.denial))
                    self._tell_all({"cmd": "deny", **news.denial})
                return []
            case _Stop():
                return self._reconciler.stop(now_s)

    def _take_up_leftovers(self, now_s: float) -> list[Action]:
        """Once, after the first plan: what left it while no agent was here to see that."""
        if self._looked_for_leftovers:
            return []
        self._looked_for_leftovers = True
        found = self._leftovers.find(known=self._reconciler.slots.keys())
        return [action for workload, within_s in found for action in self._reconciler.stay(workload, within_s, now_s)]

    def _said(self, news: _Said, now_s: float) -> list[Action]:
        slot = self._reconciler.slots.get(news.workload_id)
        name = news.event.get("event")
        if name == "usage":
            self._on_usage({key: value for key, value in news.event.items() if key != "event"})
        elif slot is not None and name != "metrics":
            if name == "fatal":
                log.error("%s: %s %s", slot.workload.name, news.event.get("message"), news.event.get("hint", ""))
            self._on_event(slot.workload, news.event)
        return self._reconciler.said(news.workload_id, news.event, now_s)

    def _carry_out(self, action: Action, tasks: asyncio.TaskGroup) -> None:
        match action:
            case Start():
                self._start(action, tasks)
            case Send():
                if (child := self._children.get(action.workload_id)) is not None:
                    command = dict(action.command)
                    child.send(command | self._context(action.workload_id) if command["cmd"] == "spec" else command)
            case Signal():
                log.warning("%s is told %s: it did not drain in time.", action.workload_id, action.signal.name)
                self._signal(action.workload_id, action.signal)
            case Stay():
                log.info("%s has left; what only this node has of it is brought away first.", action.workload.name)
                self._leftovers.note(action.workload, within_s=action.within_s)
            case Forget():
                if action.unfinished:
                    log.error("%s: not all could be brought away in time; the rest is lost.", action.workload_id)
                shutil.rmtree(self._workload_dir(action.workload_id), ignore_errors=True)
                log.info("%s is gone, and its folder with it.", action.workload_id)

    def _start(self, action: Start, tasks: asyncio.TaskGroup) -> None:
        workload = action.workload
        first = {"cmd": "spec", "spec": workload.spec, "leave": action.leave, **self._context(workload.id)}
        if workload.leave_within_s and not action.leave:
            self._leftovers.note(workload)

        async def heard(event: dict[str, Any]) -> None:
            await self._news.put(_Said(workload.id, event))

        def started(pid: int) -> None:
            self._reconciler.started(workload.id, pid)
            log.info("Started %s (pid %d).", workload.name, pid)

        child = Child(workload, first, started, heard)
        self._children[workload.id] = child

        async def live() -> None:
            await child.run()
            await self._news.put(_Ended(workload.id))

        tasks.create_task(live())

    def _context(self, workload_id: str) -> dict[str, Any]:
        folder = self._workload_dir(workload_id)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            log.error("Making the folder %s failed: %s. The workload is started nevertheless.", folder, error)
        return {
            "workload_id": workload_id,
            "node_id": self._node_id,
            "data_dir": str(folder),
            "certificate": self._certificate(),
            **self._trust.command(),
        }

    def _tell_all(self, command: Mapping[str, Any]) -> None:
        for child in self._children.values():
            child.send(command)
