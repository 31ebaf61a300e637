"""A real cluster: nats-server and agents as processes, the API in this process on a real port. It runs probes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

import skyriver
from skyriver.apps.api import create_app
from skyriver.fabric.bus import BusServer, BusServerSettings
from skyriver.platform.fabric_keys.part import PART as FABRIC_KEYS
from skyriver.platform.identity import FirstLogin, bootstrap
from skyriver.platform.ledger.part import PART as LEDGER
from skyriver.platform.manifest import Service
from skyriver.platform.settings import ControlPlaneSettings
from skyriver.platform.sites.part import PART as SITES
from skyriver.platform.store import Store
from skyriver.platform.web.runtime import Runtime
from skyriver.platform.workloads import NodeState, ObservedState, ObservedWorkload, WorkloadIntent
from skyriver.platform.workloads.cluster import Cluster
from skyriver.platform.workloads.part import BUS_PART, part
from skyriver.platform.workloads.relays import relay_intents
from tests.clouds import cheap_passwords

PATIENCE_S = 40.0  # how long a test waits for what must happen; only a failure takes that long


class _Server(uvicorn.Server):
    """Uvicorn that says when it is up, and leaves signals to the test."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class AgentLog:
    """What an agent logs, while it runs."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self.text = ""
        self._news = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read(stream))

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self.text += line.decode()
            self._news.set()

    async def until(self, text: str, *, times: int = 1) -> None:
        """Wait until `text` was logged that many times."""
        async with asyncio.timeout(PATIENCE_S):
            while self.text.count(text) < times:
                self._news.clear()
                await self._news.wait()

    async def end(self) -> str:
        """Everything, once the agent has closed it."""
        await self._reading
        return self.text


@dataclass
class AgentProcess:
    """An agent, and where it lives."""

    name: str
    data: Path
    process: asyncio.subprocess.Process
    log: AgentLog
    ready: dict[str, Any] = field(default_factory=dict)

    @property
    def node_id(self) -> str:
        return str(self.ready["node_id"])

    async def said(self) -> dict[str, Any]:
        """The next thing it says to whoever started it."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            found: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return found

    async def stop(self) -> int:
        """Stop it in order; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@dataclass
class SmallCluster:
    """What a test holds in its hands. `wanted` is what the only service of this cloud intends to run."""

    folder: Path
    store: Store
    bus_server: BusServer
    login: FirstLogin
    port: int
    own_intents: Callable[[ObservedState], list[WorkloadIntent]]
    wanted: list[WorkloadIntent] = field(default_factory=list)
    agents: list[AgentProcess] = field(default_factory=list)
    _serving: tuple[_Server, asyncio.Task[None], FastAPI] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def runtime(self) -> Runtime:
        assert self._serving is not None
        runtime: Runtime = self._serving[2].state.runtime
        return runtime

    @property
    def cluster(self) -> Cluster:
        return self.runtime.get(Cluster)

    async def start_api(self) -> None:
        async def intents(session: AsyncSession, observed: ObservedState) -> list[WorkloadIntent]:
            return list(self.wanted)

        services = (Service("probing", workload_kinds=("probe",), intents=intents),)
        settings = ControlPlaneSettings(
            data_dir=self.folder,
            bus_url=self.bus_server.url,
            bus_user="api",
            bus_password=self.bus_server.settings.api_password,
            node_bus_password=self.bus_server.settings.agent_password,
        )
        parts = (BUS_PART, FABRIC_KEYS, SITES, part(services, self.own_intents), LEDGER)
        app = create_app(settings, store=self.store, parts=parts, services=services, passwords=cheap_passwords())
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_config=None, timeout_graceful_shutdown=1)
        server = _Server(config)
        # Made before it is served: a server that is given a socket never has to look for another port.
        listening = socket.create_server(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        self._serving = (server, asyncio.ensure_future(server.serve([listening])), app)
        async with asyncio.timeout(PATIENCE_S):
            await server.up.wait()

    async def stop_api(self) -> None:
        if self._serving is not None:
            server, task, _app = self._serving
            server.should_exit = True
            await task
            self._serving = None

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """One request as the operator; its JSON."""
        headers = {"Authorization": f"Bearer {self.login.api_key}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30) as client:
            response = await client.request(method, path, **options)
            response.raise_for_status()
            return response.json() if response.content else None

    async def site(self, slug: str, role: str = "core") -> str:
        """A new site's id."""
        made = await self.call("POST", "/v1/sites", json={"slug": slug, "name": slug.title(), "role": role})
        return str(made["id"])

    async def join_token(self, site_id: str) -> str:
        made = await self.call("POST", "/v1/join-tokens", json={"site_id": site_id})
        return str(made["token"])

    async def start_agent(self, name: str, token: str = "", *arguments: str) -> AgentProcess:
        """Start an agent and wait until it is ready; without a token it has to know itself."""
        agent = await self.spawn_agent(name, token, *arguments)
        said = await agent.said()
        assert said["event"] == "ready", said
        agent.ready = said
        return agent

    async def spawn_agent(self, name: str, token: str = "", *arguments: str) -> AgentProcess:
        """Start an agent, whatever comes of it."""
        data = self.folder / "nodes" / name
        source = str(Path(skyriver.__file__).parents[1])
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "skyriver.apps.agent",
            "--url", self.url, "--data", str(data), "--name", name, *arguments,
            env=os.environ | {"PYTHONPATH": source, "SKYRIVER_JOIN_TOKEN": token},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        agent = AgentProcess(name, data, process, AgentLog(process.stderr))
        self.agents.append(agent)
        return agent

    async def until(self, what: Callable[[ObservedState], bool]) -> ObservedState:
        """Wait until the API's picture satisfies `what`; looked at with every heartbeat of any node."""
        async with asyncio.timeout(PATIENCE_S):
            while not what(self.cluster.observed):
                await self.cluster.changed()
        return self.cluster.observed

    async def until_probe(
        self, name: str, what: Callable[[ObservedWorkload], bool] = lambda w: True
    ) -> ObservedWorkload:
        """Wait until the probe serves and satisfies `what`."""

        def found(observed: ObservedState) -> bool:
            probe = observed.workload(name)
            return probe is not None and probe.serving and what(probe)

        probe = (await self.until(found)).workload(name)
        assert probe is not None
        return probe

    def want(self, *intents: WorkloadIntent) -> None:
        """Intend exactly these from now on."""
        self.wanted[:] = intents
        self.cluster.kick()


def probe(name: str, **other: Any) -> WorkloadIntent:
    return WorkloadIntent(f"probe/{name}", "probe", other.pop("spec", {}), site_role=None, **other)


def state_of(observed: ObservedState, agent: AgentProcess) -> NodeState | None:
    """What is thought of the agent's node; None while it is not known."""
    node = observed.node(agent.node_id)
    return node.state if node else None


@asynccontextmanager
async def small_cluster(store: Store, folder: Path, *, relays: bool = False) -> AsyncIterator[SmallCluster]:
    """The bus and the API; agents are started by the test and killed at the end. `relays`: real ones run, too."""
    (folder / "nodes").mkdir(exist_ok=True)
    login = await bootstrap(store, cheap_passwords())
    assert login is not None
    server = BusServer(BusServerSettings(folder / "bus", api_password="api-pass", agent_password="agent-pass", port=0))
    await server.start()
    cluster = SmallCluster(folder, store, server, login, 0, relay_intents if relays else lambda _observed: [])
    try:
        await cluster.start_api()
        yield cluster
    finally:
        for agent in cluster.agents:
            if agent.process.returncode is None:
                await agent.kill()
        await cluster.stop_api()
        await server.stop()
