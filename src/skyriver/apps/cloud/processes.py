"""A process of the cloud under supervision: started, watched, restarted with a capped back-off, stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skyriver.kernel.child import environment_for_children
from skyriver.kernel.clock import monotonic_s
from skyriver.kernel.errors import WorldBroke

log = logging.getLogger(__name__)

BACK_OFF_FIRST_S, BACK_OFF_LAST_S = 0.1, 5.0
HEALTHY_AFTER_S = 10.0
STOP_GRACE_S = 15.0  # an agent: its children drain (5 s), are made to end (2 s), and tell their last usage (3 s)
MAX_LOG_BYTES = 20 * 1024 * 1024


class Supervised:
    """One process: `python -P -m MODULE ARGUMENTS`. It says `ready` and `fatal` as JSON lines on stdout.

    `start` waits for the first `ready`; `run` then keeps it running until cancelled.
    """

    def __init__(
        self, name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.ready: dict[str, Any] = {}
        # -P: a folder named skyriver where the user happens to stand is not the product.
        self._command = (sys.executable, "-P", "-m", module, *arguments)
        self._environment = {**environment_for_children(), **environment}
        self._folder = folder
        self._process: Process | None = None

    async def start(self, *, timeout_s: float = 60.0) -> dict[str, Any]:
        """Start it and wait until it serves; its `ready` event.

        Raises:
            WorldBroke: it said why it cannot run, ended, or took too long.
            OSError: it cannot be started at all.
        """
        process = await self._spawn()
        try:
            async with asyncio.timeout(timeout_s):
                self.ready = await self._until_ready(process)
        except ValueError as error:
            await self.stop()
            raise WorldBroke(f"Starting {self.name} failed: it says what nobody can read: {error}.") from error
        except TimeoutError:
            await self.stop()
            hint = f"Look at {self._log_path}."
            raise WorldBroke(f"Starting {self.name} failed: not ready after {timeout_s:g} s.", hint=hint) from None
        return self.ready

    def again_with(self, option: str, value: str) -> None:
        """From the next start on, give `option` this value: what the first start has chosen is to stay."""
        at = self._command.index(option) + 1
        self._command = (*self._command[:at], value, *self._command[at + 1 :])

    async def run(self) -> None:
        """Watch the started process, and start it again whenever it ends; stop it when cancelled."""
        back_off_s = BACK_OFF_FIRST_S
        try:
            while True:
                started_s = monotonic_s()
                assert self._process is not None
                await self._drain_output(self._process)
                code = await self._process.wait()
                log.warning("%s ended with %s; starting it again", self.name, code)
                if monotonic_s() - started_s > HEALTHY_AFTER_S:
                    back_off_s = BACK_OFF_FIRST_S
                await asyncio.sleep(back_off_s)
                back_off_s = min(back_off_s * 2, BACK_OFF_LAST_S)
                try:
                    await self.start()
                except (WorldBroke, OSError) as error:
                    log.error("Starting %s again failed: %s", self.name, error)
        finally:
            await self.stop()

    async def stop(self, *, grace_s: float = STOP_GRACE_S) -> None:
        """SIGTERM, then by force after `grace_s`. Safe to call twice."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await self._drain_output(process)
                await process.wait()
        except TimeoutError:
            log.warning("%s did not stop within %g s and is killed", self.name, grace_s)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._pid_path.unlink(missing_ok=True)

    @property
    def _log_path(self) -> Path:
        return self._folder / "logs" / f"{self.name}.log"

    @property
    def _pid_path(self) -> Path:
        return self._folder / "run" / f"{self.name}.pid"

    async def _spawn(self) -> Process:
        if self._log_path.exists() and self._log_path.stat().st_size > MAX_LOG_BYTES:
            self._log_path.replace(self._log_path.with_suffix(".log.1"))
        with self._log_path.open("ab") as log_file:
            # Its own session: a Ctrl-C in the terminal reaches only us, and we stop everything in order.
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=log_file,
                env=self._environment,
                start_new_session=True,
            )
        self._process = process
        try:
            self._pid_path.write_text(str(process.pid))
        except OSError as error:  # a full disk must not keep it from running; only a killed `up` would miss the note
            log.warning("Noting the process of %s in %s failed: %s", self.name, self._pid_path, error.strerror)
        return process

    async def _until_ready(self, process: Process) -> dict[str, Any]:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            event = _event(line)
            if event.get("event") == "ready":
                return event
            if event.get("event") == "fatal":
                await process.wait()
                raise WorldBroke(str(event["message"]), hint=str(event.get("hint", "")), code=event.get("code"))
        code = await process.wait()
        raise WorldBroke(f"{self.name} ended with {code} before it was ready.", hint=f"Look at {self._log_path}.")

    async def _drain_output(self, process: Process) -> None:
        assert process.stdout is not None
        while await process.stdout.read(65536):
            pass


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
