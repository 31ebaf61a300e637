"""What live channels need of the machines around them, as one small interface: the platform behind it may grow."""

from __future__ import annotations

from typing import Protocol

from skyriver.kernel.errors import NotReady
from skyriver.platform.workloads import ObservedState


class Cloud(Protocol):
    """The nodes and workloads of the cloud, as this service uses them."""

    def observed(self) -> ObservedState:
        """What is seen of nodes and workloads now. Cheap: it is asked for by every request."""
        ...

    def plan_anew(self) -> None:
        """What is wanted has changed: plan soon. Never waits; many calls make one plan."""
        ...

    async def kill(self, workload_id: str) -> None:
        """Kill a workload's process for real (SIGKILL), through the agent that runs it.

        Raises:
            NotReady: its node does not answer.
        """
        ...


class NoCloud:
    """Of an API process that runs without machines: channels can be made, nothing runs."""

    def observed(self) -> ObservedState:
        return ObservedState()

    def plan_anew(self) -> None:
        """There is nobody to plan."""

    async def kill(self, workload_id: str) -> None:
        raise NotReady(f"Tried to kill the workload {workload_id}, but this process is not connected to any node.")
