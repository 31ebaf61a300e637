"""Start everything in order, say where it is, keep it running, stop it in order.

Order: bus, API, sites and agents (which start relays, stations and transcoders as the API plans them), demo channel.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from skyriver.apps.cloud.ports import free_range, require_free
from skyriver.apps.cloud.processes import Supervised
from skyriver.apps.cloud.settings import CloudSettings, bus_passwords, prepare, write_private
from skyriver.kernel.errors import Conflict
from skyriver.kernel.logs import set_up_logs

if TYPE_CHECKING:
    from skyriver.client import Client

PORTS_PER_NODE = 20
# Where the sites of a cloud on one machine are said to be: far enough apart to be seen on a map.
PLACES: tuple[tuple[str, str, str, float, float], ...] = (
    ("core", "Core", "cn-north", 39.9, 116.4),
    ("edge-a", "Edge A", "cn-east", 31.2, 121.5),
    ("edge-b", "Edge B", "cn-south", 22.5, 114.1),
)


def run(settings: CloudSettings) -> None:
    """Run the cloud until Ctrl-C or SIGTERM.

    Raises:
        SkyriverError: something keeps it from starting; the message says what and what to do.
    """
    os.umask(0o077)
    prepare(settings)
    set_up_logs("up", "warning")
    asyncio.run(_run(settings))


async def _run(settings: CloudSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    start = asyncio.ensure_future(_serve(settings, stop))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stopping.done() and not start.done():
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(start), 45)
    stopping.cancel()
    if start.done():
        start.result()
    else:
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)


async def _serve(settings: CloudSettings, stop: asyncio.Event) -> None:
    from skyriver.client import Client, Cloud

    _require_alone(settings)
    require_free(settings.host, settings.port, use="the console and the API", flag="--port")
    require_free(settings.host, settings.rtmp_port, use="the RTMP door", flag="--rtmp-port")
    nodes = 1 + settings.edges
    settings = replace(
        settings,
        bus_port=free_range(settings.host, settings.bus_port, 1),
        udp_port=free_range(settings.host, settings.udp_port, PORTS_PER_NODE * nodes, udp=True),
    )
    say = _speaker(settings)
    async with AsyncExitStack() as stack:
        bus_environment, bus_url = await _start_bus(settings, stack)
        api = Supervised("api", "skyriver.apps.api", _api_arguments(settings, bus_url), bus_environment, settings.data)
        ready = await api.start()
        _supervise(api, stack)
        url = str(ready["url"])
        login = _first_login(settings)
        if login:
            write_private(settings.cli_key_path, login["api_key"])
        write_private(settings.cloud_path, json.dumps({"url": url, "pid": os.getpid()}))
        stack.callback(settings.cloud_path.unlink, missing_ok=True)
        async with Client(Cloud(url, settings.cli_key_path.read_text().strip())) as sky:
            for node in range(nodes):
                agent = await _agent(settings, sky, url, node)
                await agent.start()
                _supervise(agent, stack)
        await _demo(settings)
        say(url, login)
        await stop.wait()


async def _start_bus(settings: CloudSettings, stack: AsyncExitStack) -> tuple[dict[str, str], str]:
    """The environment that gives the API the bus's passwords, and the bus's address."""
    if settings.bus_url:
        return {}, settings.bus_url
    from skyriver.fabric.bus import BusServer, BusServerSettings

    passwords = bus_passwords(settings)
    server = BusServer(
        BusServerSettings(
            settings.data / "bus", passwords.api, passwords.agent, host=settings.host, port=settings.bus_port
        )
    )
    await server.start()
    task = asyncio.ensure_future(server.run())
    stack.push_async_callback(_end, task)
    return {"SKYRIVER_BUS_PASSWORD": passwords.api, "SKYRIVER_NODE_BUS_PASSWORD": passwords.agent}, server.url


def _api_arguments(settings: CloudSettings, bus_url: str) -> list[str]:
    os.environ["SKYRIVER_RTMP_PORT"] = str(settings.rtmp_port)
    arguments = ["--data", str(settings.data), "--host", settings.host, "--port", str(settings.port)]
    arguments += ["--bus-url", bus_url, "--bus-user", "api"]
    if settings.database_url:
        os.environ["SKYRIVER_DATABASE_URL"] = settings.database_url  # it may hold a password: never on a command line
    return arguments


async def _agent(settings: CloudSettings, sky: Client, url: str, number: int) -> Supervised:
    """The agent of one site; the first start makes the site and a token to join it."""
    slug, name, region, latitude, longitude = _place(number)
    folder = settings.data / "nodes" / slug
    environment: dict[str, str] = {}
    if not (folder / "node.json").exists():
        role = "core" if number == 0 else "edge"
        site_id = await _site(sky, slug, name=name, role=role, region=region, latitude=latitude, longitude=longitude)
        environment["SKYRIVER_JOIN_TOKEN"] = (await sky.create_join_token(site_id)).token
    first_port = settings.udp_port + number * PORTS_PER_NODE
    arguments = ["--url", url, "--data", str(folder), "--name", f"{slug}-1", "--address", settings.host]
    if settings.udp_port:
        arguments += ["--ports", f"{first_port}-{first_port + PORTS_PER_NODE - 1}"]
    return Supervised(f"agent-{slug}", "skyriver.apps.agent", arguments, environment, settings.data)


async def _site(sky: Client, slug: str, **fields: Any) -> str:
    async for site in sky.sites():
        if site.slug == slug:
            return site.id
    return (await sky.create_site(slug, **fields)).id


def _place(number: int) -> tuple[str, str, str, float, float]:
    if number < len(PLACES):
        return PLACES[number]
    slug = f"edge-{chr(ord('a') + number - 1)}"
    return slug, slug.replace("-", " ").title(), "local", 20.0 + 3 * number, 100.0 + 2 * number


async def _demo(settings: CloudSettings) -> None:
    from sqlalchemy import select

    from skyriver.platform.identity import Principal
    from skyriver.platform.identity.records import TenantRecord, UserRecord
    from skyriver.platform.store import Store
    from skyriver.services.live.demo import FeederKeys, ensure_demo, stop_demo

    store = Store(settings.database_url or f"sqlite:///{settings.data / 'skyriver.db'}")
    try:
        if not settings.demo:
            await stop_demo(store)
            return
        async with store.session() as session:
            tenant = (await session.scalars(select(TenantRecord).where(TenantRecord.is_operator))).one()
            user = (await session.scalars(select(UserRecord).where(UserRecord.tenant_id == tenant.id))).first()
        owner = Principal("user", user.id if user else tenant.id, tenant.id, "owner", is_operator=True)
        await ensure_demo(store, owner, FeederKeys(settings.data))
    finally:
        await store.close()


def _supervise(process: Supervised, stack: AsyncExitStack) -> None:
    stack.push_async_callback(_end, asyncio.ensure_future(process.run()))


async def _end(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _require_alone(settings: CloudSettings) -> None:
    """Two clouds on one data folder would ruin each other's files."""
    import psutil

    with suppress(OSError, ValueError, TypeError):
        pid = json.loads(settings.cloud_path.read_text()).get("pid")
        if (
            pid
            and pid != os.getpid()
            and psutil.pid_exists(pid)
            and "skyriver" in " ".join(psutil.Process(pid).cmdline())
        ):
            raise Conflict(
                f"A cloud already runs on {settings.data} (process {pid}).",
                hint="Stop it first, or choose another folder with --data.",
            )


def _first_login(settings: CloudSettings) -> dict[str, str]:
    path = settings.data / "first-login.json"
    with suppress(OSError, ValueError):
        found: dict[str, str] = json.loads(path.read_text())
        return found
    return {}


def _speaker(settings: CloudSettings) -> Callable[[str, dict[str, str]], None]:
    def say(url: str, login: dict[str, str]) -> None:
        if settings.as_json:
            print(json.dumps({"event": "ready", "url": url, "data": str(settings.data)}), flush=True)
            return
        lines = ["", f"  Skyriver is up:   {url}"]
        if login:
            lines.append(f"  First login:      {login['email']}  {login['password']}")
        lines += [f"  RTMP door:        rtmp://{settings.host}:{settings.rtmp_port}/live", "  Ctrl-C stops it.", ""]
        print("\n".join(lines), file=sys.stdout, flush=True)

    return say
