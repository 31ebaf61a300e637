"""What live channels need of the cloud around them, as one small interface: the platform behind it may grow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from skyriver.platform.workloads.model import ObservedState


@dataclass(frozen=True)
class ViewerGrant:
    """A signed right to watch, and when it ends."""

    token: str
    expires_at: datetime


class Cloud(Protocol):
    """The platform, as this service uses it."""

    def observed(self) -> ObservedState:
        """What is seen of nodes and workloads now. Cheap: it is asked for by every request."""
        ...

    def plan_anew(self) -> None:
        """What is wanted has changed: plan soon. Never waits; many calls make one plan."""
        ...

    async def viewer_grant(
        self, space: str, *, get: tuple[str, ...], lifetime: timedelta, tenant_id: str
    ) -> ViewerGrant:
        """A grant that lets a viewer get these paths of a space, and put nothing."""
        ...

    async def kill(self, workload_id: str) -> None:
        """Kill a workload's process for real (SIGKILL), through the agent that runs it.

        Raises:
            NotReady: its node does not answer.
        """
        ...
