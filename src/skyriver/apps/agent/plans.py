"""Follows the control plane's plan: fetched when nudged, when the bus is back, and every few seconds anyway.

Before the first fetch the machine is described: it may have got another address or other ports since it joined.

The last plan lies on the disk. A node that starts without an API goes on with it; a node whose API is away keeps
what it has, for any time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyriver.apps.agent.control_plane import ControlPlane
from skyriver.apps.agent.files import read_object, write_private
from skyriver.apps.agent.identity import Identity
from skyriver.apps.agent.reconcile import Wanted
from skyriver.apps.agent.supervisor import Trust
from skyriver.fabric.bus import BusAccess
from skyriver.kernel.errors import SkyriverError, WorldBroke

log = logging.getLogger("skyriver.agent")

FETCH_EVERY_S = 10.0  # how late a lost nudge, or a lost revocation, may be noticed at most
RETRY_FIRST_S, RETRY_LAST_S = 0.25, 5.0


@dataclass(frozen=True)
class NodePlan:
    """A plan, checked."""

    generation: int
    workloads: list[Wanted]
    trust: Trust
    bus: BusAccess | None


def read_plan(document: dict[str, Any]) -> NodePlan:
    """The plan in what the API answered, or in what was kept of it.

    Raises:
        WorldBroke: it is none.
    """
    try:
        return NodePlan(
            generation=int(document["generation"]),
            workloads=[
                Wanted(str(w["id"]), str(w["kind"]), str(w["name"]), int(w["generation"]), dict(w["spec"]))
                for w in document["workloads"]
            ],
            trust=Trust(dict(document["jwks"]), tuple(dict(denial) for denial in document["denied"])),
            bus=BusAccess(**document["bus"]) if document.get("bus", {}).get("url") else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WorldBroke(f"The plan cannot be read: {error!r}.", hint="Is the API of the same version?") from error


class PlanKeeper:
    """Keeps the newest plan applied. `apply` is awaited with each plan, the kept one first."""

    def __init__(
        self,
        identity: Identity,
        control_plane: ControlPlane,
        path: Path,
        machine: dict[str, Any],
        apply: Callable[[NodePlan], Awaitable[None]],
    ) -> None:
        self._identity = identity
        self._control_plane = control_plane
        self._path = path
        self._machine: dict[str, Any] | None = machine
        self._apply = apply
        self._wanted = asyncio.Event()
        self._last: dict[str, Any] | None = None
        self.fetch_failures = 0

    def fetch_soon(self) -> None:
        """There may be a new plan."""
        self._wanted.set()

    async def start_from_disk(self) -> None:
        """Apply the kept plan, if there is one that can be read."""
        kept = read_object(self._path)
        if kept is None:
            return
        try:
            plan = read_plan(kept)
        except WorldBroke as error:
            log.warning("The kept plan is not used: %s", error)
            return
        log.info("Going on with the kept plan, generation %d.", plan.generation)
        self._last = kept
        await self._apply(plan)

    async def run(self) -> None:
        retry_s = RETRY_FIRST_S
        while True:
            self._wanted.clear()
            try:
                await self._fetch()
                retry_s = RETRY_FIRST_S
                pause_s = FETCH_EVERY_S * random.uniform(0.8, 1.2)
                self.fetch_failures = 0
            except SkyriverError as error:
                self.fetch_failures += 1
                log.log(
                    logging.WARNING if self.fetch_failures == 1 else logging.DEBUG,
                    "%s What runs goes on; asking again.",
                    error,
                )
                pause_s, retry_s = retry_s * random.uniform(0.5, 1.0), min(retry_s * 2, RETRY_LAST_S)
            try:
                async with asyncio.timeout(pause_s):
                    await self._wanted.wait()
            except TimeoutError:
                pass

    async def _fetch(self) -> None:
        if self._machine is not None:
            await self._control_plane.describe_machine(self._identity.node_id, self._identity.key, self._machine)
            self._machine = None
        document = await self._control_plane.plan(self._identity.node_id, self._identity.key)
        if document == self._last:
            return
        plan = read_plan(document)
        # Applied before it is kept: a full disk must not keep a node from following its plan.
        await self._apply(plan)
        self._last = document
        try:
            await asyncio.to_thread(write_private, self._path, json.dumps(document))
        except WorldBroke as error:
            log.error("Keeping the plan failed: %s It is followed all the same.", error)
