"""An origin, two edges in processes of their own, a publisher, and the few API routes that viewers and drills use.

What a drill measures needs processes that die by SIGKILL and come back, not the whole control plane.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Response

from skyriver.apps.cli.child import Child, child
from skyriver.client import Client, Cloud
from skyriver.fabric import Endpoint, Publisher, VideoTrack, group_of
from skyriver.kernel.clock import MediaClock, utc_now
from tests.fabric.rig import JWKS, SPACE, running_relay, service_grant, viewer_grant

from .clips import FPS, annexb_pictures

READY_TIMEOUT_S = 20.0


class Edge:
    """One relay's process; it can be killed, and comes back at the same port, as under an agent."""

    def __init__(self, number: int, folder: Path, origin: Endpoint, stack: AsyncExitStack) -> None:
        self.node_id = f"nd_{number}"
        self._origin = origin
        self.endpoint: Endpoint | None = None
        self._folder = folder / self.node_id
        self._folder.mkdir()
        self._stack = stack
        self._child: Child | None = None
        self._port = 0

    async def start(self) -> Endpoint:
        relay = await self._stack.enter_async_context(child(self.node_id, "-m", "skyriver.apps.workload", "relay"))
        upstream = {"url": self._origin.url, "certificate_sha256": self._origin.certificate_sha256}
        spec = {
            "role": "edge",
            "host": "127.0.0.1",
            "port": self._port,
            "upstreams": [upstream],
            "upstream_grant": service_grant(),
        }
        relay.tell("spec", spec=spec, data_dir=str(self._folder), jwks=JWKS)
        ready = await relay.hear("ready", timeout_s=READY_TIMEOUT_S)
        self._child, self._port = relay, ready["port"]
        self.endpoint = Endpoint(ready["url"], tuple(ready["certificate_sha256"]))
        return self.endpoint

    def kill(self) -> None:
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGKILL)
        self.endpoint = None

    def shape(self) -> dict[str, Any]:
        assert self.endpoint is not None
        shown = {"url": self.endpoint.url, "certificate_sha256": self.endpoint.certificate_sha256}
        return {"node_id": self.node_id, "site": f"site-{self.node_id}", **shown}


class SmallCloud:
    """Edges, what is published on them, and who asks for tickets."""

    def __init__(self, edges: list[Edge], tasks: asyncio.TaskGroup) -> None:
        self.edges = edges
        self.kills: list[str] = []
        self._tasks = tasks

    def app(self) -> FastAPI:
        app = FastAPI()
        app.get("/v1/channels/{name}")(self.channel)
        app.post("/v1/channels/{name}/watch")(self.watch)
        app.post("/v1/channels/{name}/drill")(self.drill)
        return app

    async def channel(self, name: str) -> dict[str, Any]:
        return {"id": "ch_1", "tenant_id": "tn_1", "name": name, "slug": "demo", "state": "live"}

    async def watch(self, name: str, response: Response) -> dict[str, Any]:
        return {
            "channel_id": "ch_1",
            "space": SPACE,
            "grant": viewer_grant(get=("live",)),
            "expires_at": (utc_now() + timedelta(minutes=5)).isoformat(),
            "edges": [edge.shape() for edge in self.edges if edge.endpoint is not None],
        }

    async def drill(self, name: str, order: dict[str, Any]) -> dict[str, Any]:
        victim = next(edge for edge in self.edges if edge.node_id == order["edge_node_id"])
        self.kills.append(victim.node_id)
        victim.kill()
        self._tasks.create_task(victim.start())
        return {"killed": f"wl_{victim.node_id}", "at": utc_now().isoformat()}


async def publish(endpoints: list[Endpoint]) -> None:
    """A 320x180 picture, for ever."""
    publisher = Publisher(endpoints, SPACE, service_grant)
    broadcast = publisher.broadcast("live")
    track = broadcast.video("video", VideoTrack("avc3.42c01e", 320, 180, FPS))
    units, clock, group = annexb_pictures(2 * FPS), MediaClock(), -1
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publisher.run())
        broadcast.announce()
        while True:
            for payload, keyframe in units:
                now_us = clock.now_us()
                group = max(group + 1, group_of(now_us)) if keyframe else group
                track.write(payload, now_us, keyframe=keyframe, group=group)
                await asyncio.sleep(1 / FPS)


@asynccontextmanager
async def small_cloud(folder: Path, *, edges: int = 2) -> AsyncIterator[tuple[SmallCloud, Client]]:
    """A cloud that serves a picture, and a client of its API."""
    async with (
        running_relay(folder / "origin") as origin,
        AsyncExitStack() as stack,
        asyncio.TaskGroup() as tasks,
    ):
        made = [Edge(number, folder, origin.endpoint, stack) for number in range(edges)]
        for edge in made:
            await edge.start()
        cloud = SmallCloud(made, tasks)
        background = [tasks.create_task(publish([origin.endpoint]))]
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(cloud.app(), lifespan="off", log_level="warning"))
        serving = tasks.create_task(server.serve(sockets=[listening]))
        async with Client(Cloud(f"http://127.0.0.1:{listening.getsockname()[1]}", data=folder)) as sky:
            yield cloud, sky
        server.should_exit = True
        await serving
        for task in background:
            task.cancel()
