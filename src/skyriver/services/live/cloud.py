"""What live channels need of the machines around them: the part of the platform's `Cluster` that they use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from skyriver.kernel.errors import NotReady
from skyriver.platform.dispatch import RankedEdge, Viewer
from skyriver.platform.web import Runtime
from skyriver.platform.workloads import ObservedState, ObservedWorkload
from skyriver.platform.workloads.cluster import Cluster, NoEdge
from skyriver.platform.workloads.hearing import WorkloadEvents


class Cloud(Protocol):
    """`Cluster` is one; so is `NoCloud`; tests have one whose machines are written by hand."""

    @property
    def observed(self) -> ObservedState:
        """What is seen of nodes and workloads now."""
        ...

    def kick(self) -> None:
        """Have work planned anew, after the commit of what changed it. Never waits; many calls make one plan."""
        ...

    def edges_for(self, viewer: Viewer, *, limit: int = 4) -> list[RankedEdge]:
        """The edges a viewer should try, best first. Raises NoEdge when there is none."""
        ...

    async def kill(self, workload_id: str) -> ObservedWorkload:
        """Kill a workload's process for real (SIGKILL), through the agent that runs it."""
        ...

    async def tell(self, workload_id: str, command: Mapping[str, Any]) -> None:
        """Have a workload's process told something of its own kind, at once, through the agent that runs it."""
        ...

    def listening(self, kind: str) -> AbstractContextManager[WorkloadEvents]:
        """Events of all workloads of a kind, while the block lasts."""
        ...

    def add_total(self, name: str, total: Callable[[ObservedState], float]) -> None:
        """Add a sum to the operators' overview."""
        ...


class NoCloud:
    """Of an API process that runs without a bus: channels can be made, nothing runs."""

    @property
    def observed(self) -> ObservedState:
        return ObservedState()

    def kick(self) -> None:
        """There is nobody to plan."""

    def edges_for(self, viewer: Viewer, *, limit: int = 4) -> list[RankedEdge]:
        raise NoEdge

    async def kill(self, workload_id: str) -> ObservedWorkload:
        raise NotReady(f"Tried to kill the workload {workload_id}, but this process is not connected to any node.")

    async def tell(self, workload_id: str, command: Mapping[str, Any]) -> None:
        raise NotReady(f"Tried to tell the workload {workload_id}, but this process is not connected to any node.")

    def listening(self, kind: str) -> AbstractContextManager[WorkloadEvents]:
        return nullcontext(WorkloadEvents(kind))

    def add_total(self, name: str, total: Callable[[ObservedState], float]) -> None:
        """There is no overview."""


def cloud_of(runtime: Runtime) -> Cloud:
    """The cluster of this process; nothing where it runs without a bus."""
    return runtime.get(Cluster) if runtime.settings.bus_url else NoCloud()
