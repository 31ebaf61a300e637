"""Start everything in order, say where it is, keep it running, stop it in order.

Order: bus, API, sites and agents (which start relays, stations and transcoders as the API plans them), demo channel.
What fails on the way is told once, and everything that was started already is stopped again.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from urllib.parse import urlsplit

from skyriver.apps.cloud.announce import Announcer, Login
from skyriver.apps.cloud.demo import provide_demo
from skyriver.apps.cloud.nodes import PORTS_PER_NODE, agent, places
from skyriver.apps.cloud.ports import claimed_udp_ranges, free_range, require_free
from skyriver.apps.cloud.processes import Supervised
from skyriver.apps.cloud.running import end_leftovers, only_one
from skyriver.apps.cloud.settings import CloudSettings, bus_passwords, prepare, write_private
from skyriver.kernel.errors import Conflict
from skyriver.kernel.logs import set_up_logs

BUS_TRIES = 10  # another cloud that starts at the same moment may be quicker to take a port that was free


def run(settings: CloudSettings) -> None:
    """Run the cloud until Ctrl-C or SIGTERM.

    Raises:
        SkyriverError: something keeps it from starting; the message says what and what to do. What fails while tasks
            run comes in an exception group.
    """
    os.umask(0o077)
    prepare(settings)
    set_up_logs("up", "warning")
    announcer = Announcer(settings)
    with ExitStack() as held:
        held.enter_context(only_one(settings))
        announcer.left_over(end_leftovers(settings))
        require_free(settings.host, settings.port, use="the console and the API", flag="--port")
        require_free(settings.host, settings.rtmp_port, use="the RTMP door", flag="--rtmp-port")
        nodes = settings.cores + settings.edges
        udp_port = held.enter_context(
            claimed_udp_ranges(settings.host, settings.udp_port, PORTS_PER_NODE, ranges=nodes)
        )
        asyncio.run(_until_signalled(replace(settings, udp_port=udp_port), announcer))


async def _until_signalled(settings: CloudSettings, announcer: Announcer) -> None:
    """Serve until a signal; it may come while everything is still being started."""
    serving = asyncio.ensure_future(_serve(settings, announcer))
    asked = False

    def stop() -> None:
        nonlocal asked
        if not asked:
            asked = True
            announcer.stopping()
            serving.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # a closed terminal, unless nohup
        loop.add_signal_handler(signal.SIGHUP, stop)
    try:
        await serving
    except asyncio.CancelledError:
        if not asked:
            raise


async def _serve(settings: CloudSettings, announcer: Announcer) -> None:
    """Until cancelled. Leaving the stack stops what was started, last first."""
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        announcer.starting("the bus")
        environment, bus_url = await _start_bus(settings, tasks, stack)
        announcer.starting("the API")
        is_first = not settings.first_login_path.exists()
        arguments, environment = _api_arguments(settings, bus_url), _api_environment(settings, environment)
        api = Supervised("api", "skyriver.apps.api", arguments, environment, settings.data)
        url = str((await _start(api, tasks, stack))["url"])
        api.again_with("--port", str(urlsplit(url).port))  # everybody knows this address by now
        login = _first_login(settings, is_first)
        write_private(settings.cloud_path, json.dumps({"url": url, "pid": os.getpid()}))
        stack.callback(settings.cloud_path.unlink, missing_ok=True)
        cores = "a core site" if settings.cores == 1 else f"{settings.cores} core sites"
        edges = f"{settings.edges} edge site{'' if settings.edges == 1 else 's'}"
        announcer.starting(f"{cores} and {edges}")
        await _start_nodes(settings, url, tasks, stack)
        if settings.demo:
            announcer.starting("the demo channel")
        await provide_demo(settings)
        announcer.ready(url, f"rtmp://{settings.host}:{settings.rtmp_port}/live", login)
        await asyncio.get_running_loop().create_future()


async def _start(process: Supervised, tasks: asyncio.TaskGroup, stack: AsyncExitStack) -> dict[str, object]:
    """Start it and keep it running; leaving the stack stops it."""
    stack.push_async_callback(process.stop)
    ready = await process.start()
    stack.push_async_callback(_end, tasks.create_task(process.run()))
    return ready


async def _start_nodes(settings: CloudSettings, url: str, tasks: asyncio.TaskGroup, stack: AsyncExitStack) -> None:
    """The agents of all sites, at once; they stop at once, too."""
    agents = [await agent(settings, url, number, where) for number, where in enumerate(places(settings))]

    async def stop_all() -> None:
        await asyncio.gather(*(each.stop() for each in agents), return_exceptions=True)

    stack.push_async_callback(stop_all)
    async with asyncio.TaskGroup() as starting:
        for each in agents:
            starting.create_task(each.start())
    for each in agents:
        each.again_with("--metrics-port", str(each.ready["metrics_port"]))
    _write_targets(settings, url, agents)
    watching = [tasks.create_task(each.run()) for each in agents]

    async def end_all() -> None:
        await asyncio.gather(*(_end(task) for task in watching))

    stack.push_async_callback(end_all)


def _write_targets(settings: CloudSettings, url: str, agents: list[Supervised]) -> None:
    """What Prometheus scrapes, as its `file_sd_configs` reads it; the ports are free ones, and stay until `up` ends."""
    scraped = {"api": urlsplit(url).netloc, **{a.name: f"{settings.host}:{a.ready['metrics_port']}" for a in agents}}
    targets = [{"targets": [address], "labels": {"process": name}} for name, address in scraped.items()]
    write_private(settings.prometheus_path, json.dumps(targets, indent=2))


async def _start_bus(
    settings: CloudSettings, tasks: asyncio.TaskGroup, stack: AsyncExitStack
) -> tuple[dict[str, str], str]:
    """The environment that gives the API the bus's passwords, and the bus's address.

    Raises:
        SkyriverError: ours cannot start; or the one that was named is not there, or does not take the password.
    """
    from skyriver.fabric.bus import Bus, BusAccess, BusServer, BusServerFailed, BusServerSettings

    if settings.bus_url:
        access = BusAccess(settings.bus_url, "api", os.environ.get("SKYRIVER_BUS_PASSWORD", ""))
        await Bus(access, name="up").check()
        return {}, settings.bus_url
    passwords = bus_passwords(settings)
    how = BusServerSettings(settings.data / "bus", passwords.api, passwords.agent, host=settings.host)
    for _ in range(BUS_TRIES):
        port = free_range(settings.host, settings.bus_port, 1)
        server = BusServer(replace(how, port=port))
        stack.push_async_callback(server.stop)
        try:
            await server.start()
            break
        except BusServerFailed as error:
            if error.code != "port_taken":
                raise
    else:
        raise Conflict(
            f"Starting the bus failed: other programs took its port {BUS_TRIES} times.",
            hint="Choose another one with --bus-port.",
            code="port_taken",
        )
    stack.push_async_callback(_end, tasks.create_task(server.run()))
    return {"SKYRIVER_BUS_PASSWORD": passwords.api, "SKYRIVER_NODE_BUS_PASSWORD": passwords.agent}, server.url


def _api_environment(settings: CloudSettings, bus: dict[str, str]) -> dict[str, str]:
    """The API's own settings, passwords among them: never on a command line, and in no other process's environment."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("SKYRIVER_")}
    ours |= {"SKYRIVER_RTMP_PORT": str(settings.rtmp_port), **bus}
    return ours | ({"SKYRIVER_DATABASE_URL": settings.database_url} if settings.database_url else {})


def _api_arguments(settings: CloudSettings, bus_url: str) -> list[str]:
    arguments = ["--data", str(settings.data), "--host", settings.host, "--port", str(settings.port)]
    return [*arguments, "--bus-url", bus_url, "--bus-user", "api"]


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _first_login(settings: CloudSettings, is_new: bool) -> Login | None:
    """The operator's first login, while its file is there; its key becomes the command line's, which had none."""
    try:
        kept = json.loads(settings.first_login_path.read_text())
        login, key = Login(kept["email"], kept["password"], is_new), str(kept["api_key"])
    except (OSError, ValueError, KeyError):
        return None
    if not settings.cli_key_path.exists():
        write_private(settings.cli_key_path, key)
    return login
