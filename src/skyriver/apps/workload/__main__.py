"""`python -m skyriver.apps.workload KIND`: reads its spec from stdin, runs until told to drain or until stdin ends."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from skyriver.apps.workload.registry import ON_UVLOOP, workload_main
from skyriver.kernel.child import ChildChannel
from skyriver.kernel.errors import SkyriverError
from skyriver.kernel.logs import set_up_logs

EXIT_FATAL = 3
"""The child said `fatal` and why; the agent backs off as after any other exit."""

log = logging.getLogger("skyriver.workload")


async def run(kind: str) -> int:
    channel = await ChildChannel.open_stdio()
    # Ctrl-C reaches the whole process group; the agent drains its children in order, so they leave SIGINT to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exit_code = 0
    try:
        main = workload_main(kind)
        first = await anext(channel.commands(), None)
        if first is not None and first.get("cmd") == "spec":
            await main(channel, first)
    except* SkyriverError as group:
        for error in _leaves(group):
            channel.emit("fatal", message=error.message, hint=error.hint, code=error.code)
            log.error("%s", error)
        exit_code = EXIT_FATAL
    return exit_code


def _leaves(group: BaseExceptionGroup[SkyriverError]) -> list[SkyriverError]:
    found: list[SkyriverError] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m skyriver.apps.workload KIND")
    set_up_logs(sys.argv[1])
    kind = sys.argv[1]
    with asyncio.Runner(loop_factory=_loop if kind in ON_UVLOOP else None) as runner:
        sys.exit(runner.run(run(kind)))


def _loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


if __name__ == "__main__":
    main()
