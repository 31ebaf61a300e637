"""Which kinds of workload exist, and where their code is.

Names, not imports: a relay's process must not pay for the transcoder's libraries. This is the only place where
the names of services' workloads meet; a test checks that every entry can be imported and fits its service's manifest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from skyriver.kernel.child import ChildChannel
from skyriver.kernel.errors import InvalidInput

WorkloadMain = Callable[[ChildChannel, dict[str, Any]], Awaitable[None]]
"""`async def main(channel, first_spec)`; `first_spec` is the whole first command. It returns when it has drained."""

KINDS: dict[str, str] = {
    "relay": "skyriver.platform.workloads.kinds.relay:main",
    "probe": "skyriver.platform.workloads.kinds.probe:main",
    "live.station": "skyriver.services.live.workloads.station:main",
    "live.transcoder": "skyriver.services.live.workloads.transcoder:main",
    "live.recorder": "skyriver.services.live.workloads.recorder:main",
    "live.delivery": "skyriver.services.live.workloads.delivery:main",
    "live.whep": "skyriver.services.live.workloads.whep:main",
    "live.pull": "skyriver.services.live.workloads.pull:main",
    "live.push": "skyriver.services.live.workloads.push:main",
    "live.feeder": "skyriver.services.live.workloads.feeder:main",
}

ON_UVLOOP = frozenset({"live.delivery", "live.whep"})
"""Kinds whose work is sockets of their own: uvloop serves them at less than half the cost."""


def workload_main(kind: str) -> WorkloadMain:
    """The main function of a kind; imports its module."""
    target = KINDS.get(kind)
    if target is None:
        raise InvalidInput(
            f"Tried to start a workload of kind {kind!r}, which this version does not have.",
            hint=f"Known kinds: {', '.join(sorted(KINDS))}. Is the node older than the control plane?",
            code="unknown_workload_kind",
        )
    module, _, function = target.partition(":")
    main: WorkloadMain = getattr(import_module(module), function)
    return main
