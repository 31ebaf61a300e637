"""Keeps a component running: a failure is logged, shown by /readyz, and followed by another try after a pause.

The control plane must not die of one bad minute of the bus; the data plane does not need it, but new viewers do.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping

from skyriver.kernel.errors import NotReady
from skyriver.platform.manifest import Component
from skyriver.platform.web.runtime import ReadinessCheck, Runtime

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
HEALTHY_AFTER_S = 10.0
STOP_S = 5.0
STOP_TRIES = 10
log = logging.getLogger(__name__)


def next_pause_s(pause_s: float, ran_s: float, jitter: Callable[[], float] = random.random) -> float:
    """The pause before the next try: doubled up to the cap, half of it random; from the start after a healthy run."""
    base_s = FIRST_PAUSE_S if ran_s >= HEALTHY_AFTER_S else min(pause_s * 2, LONGEST_PAUSE_S)
    return base_s * (0.5 + jitter() / 2)


async def supervise(component: Component, runtime: Runtime) -> None:
    """Run `component` until cancelled. A component that returns is done and is not started again."""
    name = type(component).__name__
    pause_s = FIRST_PAUSE_S
    loop = asyncio.get_running_loop()
    while True:
        started_s = loop.time()
        runtime.readiness.pop(name, None)
        try:
            await component.run()
            return
        except Exception as error:
            log.error("%s failed and is started again", name, exc_info=error)
            runtime.readiness[name] = _failed(name, error)
            pause_s = next_pause_s(pause_s, loop.time() - started_s)
        await asyncio.sleep(pause_s)


async def stop(running: Mapping[str, asyncio.Task[None]]) -> None:
    """Cancel every component and wait for its end, for `STOP_S` at most; says which do not end.

    Cancelling is repeated: before Python 3.12 `asyncio.wait_for` loses a cancellation that comes in the moment in
    which what it waits for is done, and libraries of ours use it.
    """
    pending = set(running.values())
    for _ in range(STOP_TRIES):
        for task in pending:
            task.cancel()
        if not pending:
            return
        _done, pending = await asyncio.wait(pending, timeout=STOP_S / STOP_TRIES)
    stuck = [name for name, task in running.items() if task in pending]
    if stuck:
        log.error("%s did not end within %s s of being told to", ", ".join(stuck), STOP_S)


def _failed(name: str, error: Exception) -> ReadinessCheck:
    async def check() -> None:
        raise NotReady(f"{name} failed and is being started again: {error}", hint="The log of the API says more.")

    return check
