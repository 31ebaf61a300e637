"""The processes behind the slots: started, written to, read from, signalled. Each has one task that owns it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from skyriver.apps.agent.reconcile import Wanted
from skyriver.kernel.child import MAX_LINE_BYTES, environment_for_children

log = logging.getLogger("skyriver.agent")

QUEUE_COMMANDS = 64  # a child that leaves this many commands unread for a while is stuck, and is killed


class Child:
    """One process. `run` starts it and returns when it has ended and everything it said was handed on.

    Args:
        first: the first command, with the spec.
        on_started: called with the pid. on_event: awaited with each event, in order; its slowness slows the child.
    """

    def __init__(
        self,
        workload: Wanted,
        first: Mapping[str, Any],
        on_started: Callable[[int], None],
        on_event: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        self.workload = workload
        self._on_started = on_started
        self._on_event = on_event
        self._commands: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(QUEUE_COMMANDS)
        self._commands.put_nowait(first)
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def send(self, command: Mapping[str, Any]) -> None:
        """Queue a command; kills a child that does not read."""
        try:
            self._commands.put_nowait(command)
        except asyncio.QueueFull:
            log.error("%s does not read its commands and is killed.", self.workload.name)
            self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> bool:
        """Signal the process; False when there is none."""
        if self.pid is None or self._process is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
            return True
        return False

    async def run(self) -> None:
        """Live one life. Cancelled, it kills the process."""
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "skyriver.apps.workload",
                self.workload.kind,
                stdin=PIPE,
                stdout=PIPE,
                limit=MAX_LINE_BYTES,
                env=environment_for_children(),
            )
        except OSError as error:
            log.error("Starting %s failed: %s.", self.workload.name, error)
            return
        self._on_started(process.pid)
        try:
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._write(process))
                await self._read(process)
                await process.wait()
                writing.cancel()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        log.log(
            logging.INFO if process.returncode == 0 else logging.WARNING,
            "%s (pid %d) ended with %s.",
            self.workload.name,
            process.pid,
            process.returncode,
        )

    async def _write(self, process: Process) -> None:
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):
            while True:
                command = await self._commands.get()
                process.stdin.write(json.dumps(command, separators=(",", ":")).encode() + b"\n")
                await process.stdin.drain()

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:
                log.error("%s said a line of more than %d bytes and is killed.", self.workload.name, MAX_LINE_BYTES)
                self.signal(signal.SIGKILL)
                return
            if not line:
                return
            try:
                event = json.loads(line)
            except ValueError:
                log.warning("%s said something that is no event.", self.workload.name)
                continue
            if isinstance(event, dict):
                await self._on_event(event)
