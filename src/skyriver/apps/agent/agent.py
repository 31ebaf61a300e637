"""The agent process: everything put together, started and stopped in order.

Start: identity (join if needed) -> kept plan -> bus, plan, children, heart. None of it waits for the API or the bus.
Stop (SIGTERM, SIGINT): children drain -> the last usage is sent, if the bus is there -> end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Callable
from typing import Any

from skyriver.apps.agent.control_plane import ControlPlane
from skyriver.apps.agent.identity import Identity, join, load_identity, machine
from skyriver.apps.agent.measure import Measure
from skyriver.apps.agent.node_metrics import NodeMetrics, serve_metrics
from skyriver.apps.agent.plans import NodePlan, PlanKeeper
from skyriver.apps.agent.settings import AgentSettings
from skyriver.apps.agent.supervisor import Supervisor
from skyriver.apps.agent.uplink import EventSender, Heart, UsageSender
from skyriver.apps.agent.usage_spool import UsageSpool
from skyriver.fabric.bus import AGENT_INBOX, Bus, BusDown, Message
from skyriver.fabric.grants import Denial
from skyriver.kernel.errors import InvalidInput, SkyriverError, WorldBroke

log = logging.getLogger("skyriver.agent")

LAST_USAGE_S = 3.0  # a stop does not wait longer for the bus; what is left is sent after the next start
AGENTS_OWN = frozenset({"spec", "drain", "leave", "keys", "deny"})
"""What a workload hears from its agent alone, see `kernel.child`."""
_SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM}


class Agent:
    """One node's agent.

    Args:
        say: tells whoever started the process: `say("ready", node_id=...)`.
    """

    def __init__(self, settings: AgentSettings, say: Callable[..., None] | None = None) -> None:
        self.settings = settings
        self._say = say or (lambda event, **fields: None)
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask it to drain and end."""
        self._stop.set()

    async def run(self) -> None:
        """Until `stop`.

        Raises:
            SkyriverError: it cannot begin: no token, a refused token, a folder that cannot be written, a taken port.
        """
        control_plane = ControlPlane(self.settings.url)
        try:
            identity = load_identity(self.settings)
            if identity is None:
                identity = await self._join_unless_stopped(control_plane)
            if identity is not None:
                await Node(self.settings, identity, control_plane).run(self._stop, self._say)
        finally:
            await control_plane.close()

    async def _join_unless_stopped(self, control_plane: ControlPlane) -> Identity | None:
        joining = asyncio.ensure_future(join(self.settings, control_plane))
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({joining, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return joining.result() if joining.done() else None
        finally:
            joining.cancel()
            stopping.cancel()


class Node:
    """A machine that has joined, while its agent runs."""

    def __init__(self, settings: AgentSettings, identity: Identity, control_plane: ControlPlane) -> None:
        self._settings = settings
        self._identity = identity
        self._spool = UsageSpool(settings.spool_path)
        self._bus = Bus(identity.bus, name=f"agent/{identity.node_id}", inbox_prefix=AGENT_INBOX)
        self._nudges = self._bus.subscribe(f"sky.nudge.{identity.node_id}", limit=16)
        self._commands = self._bus.subscribe(f"sky.cmd.{identity.node_id}", limit=256)
        self._denials = self._bus.subscribe("sky.deny")
        self._events = EventSender(identity, self._bus)
        self._supervisor = Supervisor(
            identity.node_id,
            settings.workload_dir,
            certificate=settings.certificate,
            on_usage=self._spool.add,
            on_event=self._events.offer,
        )
        self._measure = Measure(self._supervisor.slots)
        self._heart = Heart(identity, self._bus, self._supervisor.slots, self._measure)
        self._usage = UsageSender(identity, self._bus, self._spool)
        self._plans = PlanKeeper(identity, control_plane, settings.plan_path, machine(settings), self._apply)

    async def run(self, stop: asyncio.Event, say: Callable[..., None]) -> None:
        """Until `stop` is set and every child has drained."""
        server = None
        port: int | None = None
        if self._settings.metrics_port is not None:
            collector = NodeMetrics(self._supervisor.slots, self._measure, self._numbers)
            port, server = serve_metrics(collector, self._settings.metrics_host, self._settings.metrics_port)
        try:
            await self._plans.start_from_disk()
            async with asyncio.TaskGroup() as tasks:
                children = tasks.create_task(self._supervisor.run())
                beside = [
                    tasks.create_task(work)
                    for work in (
                        self._bus.run(),
                        self._spool.run(),
                        self._usage.run(),
                        self._events.run(),
                        self._measure.run(),
                        self._heart.run(),
                        self._obey(),
                        self._hear_denials(),
                    )
                ]
                following = [tasks.create_task(work) for work in (self._plans.run(), self._hear_nudges())]
                say("ready", node_id=self._identity.node_id, metrics_port=port)
                await stop.wait()
                log.info("Stopping: draining %d workloads.", len(self._supervisor.slots))
                for task in following:
                    task.cancel()
                await self._supervisor.stop()
                await children
                await self._send_last_usage()
                for task in beside:
                    task.cancel()
        finally:
            if server is not None:
                server.shutdown()
            self._spool.close()

    async def _apply(self, plan: NodePlan) -> None:
        await self._supervisor.apply(plan.workloads, plan.trust)
        self._heart.plan_generation = plan.generation
        if plan.bus is not None and plan.bus != self._bus.access:
            log.info("The bus has moved to %s or has a new password.", plan.bus.url)
            self._bus.access = plan.bus  # used from the next connection on
            try:
                self._identity.with_bus(plan.bus).save(self._settings.identity_path)
            except WorldBroke as error:  # the plan says it again at the next start
                log.error("%s", error)

    async def _hear_nudges(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fetch_when_connected())
            async for _ in self._nudges:
                self._plans.fetch_soon()

    async def _fetch_when_connected(self) -> None:
        """Nudges may have been missed while the bus was away."""
        while True:
            await self._bus.wait_connected()
            self._plans.fetch_soon()
            await self._bus.wait_disconnected()

    async def _hear_denials(self) -> None:
        async for message in self._denials:
            try:
                denial = Denial.from_entry(json.loads(message.payload))
                await self._supervisor.deny(denial.entry())
            except (ValueError, KeyError, TypeError):
                log.warning("A revocation on the bus cannot be read; the next plan brings it again.")

    async def _obey(self) -> None:
        async for message in self._commands:
            await self._bus.reply(message, json.dumps(self._carry_out(message)).encode())

    def _carry_out(self, message: Message) -> dict[str, Any]:
        try:
            command = json.loads(message.payload)
            if command["cmd"] == "tell":
                return self._tell(str(command["workload_id"]), dict(command["command"]))
            if command["cmd"] != "kill":
                return {"ok": False, "error": f"the agent knows no command {command['cmd']!r}"}
            workload_id, number = str(command["workload_id"]), _SIGNALS[command.get("signal", "KILL")]
        except (ValueError, KeyError, TypeError) as error:
            return {"ok": False, "error": f"the command cannot be read: {error!r}"}
        pid = self._supervisor.kill(workload_id, number)
        if pid is None:
            return {"ok": False, "error": "it has no process at this moment"}
        log.warning("Killed %s (pid %d) on request.", workload_id, pid)
        return {"ok": True, "pid": pid}

    def _tell(self, workload_id: str, command: dict[str, Any]) -> dict[str, Any]:
        if command["cmd"] in AGENTS_OWN:
            return {"ok": False, "error": f"only its agent tells a workload {command['cmd']!r}"}
        if not self._supervisor.tell(workload_id, command):
            return {"ok": False, "error": "it has no process at this moment"}
        return {"ok": True}

    async def _send_last_usage(self) -> None:
        try:
            async with asyncio.timeout(LAST_USAGE_S):
                await self._spool.flush()
                while self._bus.connected and await self._usage.send_batch():
                    pass
        except (TimeoutError, BusDown):
            log.info("%d usage facts stay spooled until the next start.", self._spool.waiting)

    def _numbers(self) -> dict[str, float]:
        return {
            "bus_connected": float(self._bus.connected),
            "plan_generation": self._heart.plan_generation,
            "plan_fetch_failures": self._plans.fetch_failures,
            "usage_spooled": self._spool.waiting,
            "usage_lost": self._spool.lost,
        }


def run(settings: AgentSettings, say: Callable[..., None] | None = None) -> None:
    """Run the agent until SIGINT or SIGTERM.

    Raises:
        SkyriverError: see `Agent.run`.
    """
    asyncio.run(_run(settings, say))


async def _run(settings: AgentSettings, say: Callable[..., None] | None) -> None:
    agent = Agent(settings, say)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, agent.stop)
    try:
        await agent.run()
    except BaseExceptionGroup as group:
        # What ends the agent is one error of ours; the group around it is how the tasks were kept together.
        ours, _ = group.split(SkyriverError)
        if ours is None:
            raise
        raise _first(ours) from group


def _first(group: BaseExceptionGroup[Any]) -> SkyriverError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def say_on_stdout(event: str, **fields: Any) -> None:
    """One event for whoever started this process, as a JSON line."""
    print(json.dumps({"event": event, **fields}), flush=True)


def parse_ports(text: str) -> tuple[int, int]:
    """`4443-4462` as (4443, 4462).

    Raises:
        InvalidInput: it is no range of ports.
    """
    first, dash, last = text.partition("-")
    if dash and first.isdigit() and last.isdigit() and 0 < int(first) < int(last) <= 65535:
        return int(first), int(last)
    raise InvalidInput(f"{text!r} is no range of UDP ports.", hint="Write it like 4443-4462; a relay takes two.")
