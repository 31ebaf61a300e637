"""Reconciles for ever: intents + observation -> assignments in the store -> a plan for each node -> a nudge.

Several processes may run a controller over one store: each pass reads the assignments again under a lock before it
changes them, and finds nothing left to do if another one was first. Nothing here is needed for what already runs.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.fabric.bus import Bus
from skyriver.fabric.grants import Denial
from skyriver.kernel.clock import Monotonic, monotonic_s, utc_now
from skyriver.kernel.errors import NotReady, SkyriverError
from skyriver.platform.dispatch import CapacityHealthSpread, Placement
from skyriver.platform.fabric_keys import denied_grants, deny_grant
from skyriver.platform.sites.records import NodeRecord
from skyriver.platform.store import Store
from skyriver.platform.workloads.model import ObservedState, WorkloadIntent
from skyriver.platform.workloads.planner import PlanChanges, plan
from skyriver.platform.workloads.records import WorkloadRecord
from skyriver.platform.workloads.relays import relay_intents
from skyriver.platform.workloads.view import ClusterView, document_of, read_rows

log = logging.getLogger("skyriver.workloads")

IntentSource = Callable[[AsyncSession, ObservedState], Awaitable[list[WorkloadIntent]]]

PASS_EVERY_S = 2.0  # grants are renewed and other processes' changes are seen by this; everything urgent kicks
PASS_AT_MOST_EVERY_S = 0.05
_LOCK = 0x5B3


class Controller:
    """One process's planning. `kick()` after any change of what should run; `run()` in the process's TaskGroup."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        view: ClusterView,
        sources: Mapping[str, IntentSource],
        *,
        own_intents: Callable[[ObservedState], list[WorkloadIntent]] = relay_intents,
        placement: Placement | None = None,
        monotonic: Monotonic = monotonic_s,
    ) -> None:
        self._store = store
        self._bus = bus
        self._view = view
        self._sources = sources
        self._own_intents = own_intents
        self._placement = placement or CapacityHealthSpread()
        self._monotonic = monotonic
        self._wanted = asyncio.Event()
        self._passing = asyncio.Lock()
        self._last_good: dict[str, list[WorkloadIntent]] = {}
        self._plans: dict[str, tuple[int, list[dict[str, Any]]]] = {}
        self._unplaced: dict[str, str] = {}
        self._told_denied: frozenset[Denial] = frozenset()
        self.passes = 0

    def kick(self) -> None:
        """Plan soon: something that intents depend on has changed."""
        self._wanted.set()

    async def run(self) -> None:
        while True:
            try:
                await self.pass_once()
            except SkyriverError as error:
                log.warning("Planning failed: %s It is tried again; what runs goes on.", error)
            await asyncio.sleep(PASS_AT_MOST_EVERY_S)
            try:
                async with asyncio.timeout(PASS_EVERY_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()

    async def pass_once(self) -> None:
        """One pass. Idempotent: a pass that is repeated changes nothing."""
        async with self._passing:
            await self._pass()

    async def _pass(self) -> None:
        async with self._store.session() as session:
            self._view.take_rows(await read_rows(session), self._monotonic())
            intents = await self._intents(session)
        changes = self._plan(intents)
        if changes:
            await self._apply(intents)
            # Ports and generations are known now: specs (grants above all) are made for the new places.
            async with self._store.session() as session:
                intents = await self._intents(session)
        self._note_unplaced(changes)
        self._view.specs = {intent.name: intent.spec for intent in intents}
        self._view.changed()
        await self._publish(intents)
        await self._tell_denied()
        self.passes += 1

    async def _tell_denied(self) -> None:
        """Tell every node what was revoked since the last pass, whoever did it: plans bring it late.

        A process that starts tells all there is, once; hearing it again changes nothing.
        """
        async with self._store.session() as session:
            denied = frozenset(await denied_grants(session))
        for denial in denied - self._told_denied:
            await self._bus.publish("sky.deny", json.dumps(denial.entry()).encode())
        self._told_denied = denied

    async def plan_of(self, node_id: str) -> dict[str, Any]:
        """The node's plan document.

        Raises:
            NotReady: this process has not planned yet.
        """
        async with self._store.session() as session:
            denied = [denial.entry() for denial in await denied_grants(session)]
        # Read together and in one step: a generation with the workloads of another one would never be corrected.
        if node_id not in self._plans:
            await self.pass_once()  # it has joined a moment ago, or through another process
        found = self._plans.get(node_id)
        if found is None:
            raise NotReady("The cluster's plan is still being made.", hint="Try again in a moment.")
        generation, workloads = found
        return {
            "node_id": node_id,
            "generation": generation,
            "jwks": self._view.keys.jwks(),
            "denied": denied,
            "workloads": workloads,
        }

    def unplaced(self) -> Mapping[str, str]:
        """Names of what no node takes, with reasons."""
        return self._unplaced

    async def _intents(self, session: AsyncSession) -> list[WorkloadIntent]:
        self._view.issued = {}
        # Which relays are origins is in their specs; a fresh process has none yet, and must not tell everybody
        # meanwhile that there are no origins.
        for relay in self._own_intents(self._view.observed):
            self._view.specs.setdefault(relay.name, relay.spec)
        self._view.changed()
        observed = self._view.observed
        intents = self._own_intents(observed)
        for name, source in self._sources.items():
            try:
                self._last_good[name] = await source(session, observed)
            except SkyriverError:
                raise
            except Exception:
                # A fault in one service must neither stop its own work nor the fail-over of all the others.
                log.exception("The service %s could not say what it wants to run; its last word counts.", name)
                if name not in self._last_good:
                    raise NotReady(f"The service {name} could not say what it wants to run.") from None
            intents += self._last_good[name]
        return intents

    def _plan(self, intents: Sequence[WorkloadIntent]) -> PlanChanges:
        assignments = [row.assignment() for row in self._view.rows.workloads]
        return plan(intents, assignments, self._view.observed.nodes, self._placement)

    async def _apply(self, intents: Sequence[WorkloadIntent]) -> None:
        async with self._store.transaction() as session:
            if not self._store.is_sqlite:
                await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            self._view.take_rows(await read_rows(session), self._monotonic())
            changes = self._plan(intents)
            for name in self._losing(changes):
                for jti, expires_at in self._view.issued.get(name, {}).items():
                    await deny_grant(session, jti, expires_at, f"{name} was moved or removed")
            await _write(session, changes)
            rows = await read_rows(session)
        self._log(changes)
        self._view.take_rows(rows, self._monotonic())

    @staticmethod
    def _losing(changes: PlanChanges) -> list[str]:
        moved = [put.previous.name for put in changes.put if put.previous is not None]
        return moved + [assignment.name for assignment in changes.remove]

    async def _publish(self, intents: Sequence[WorkloadIntent]) -> None:
        """Make the plan documents; raise the generation of the nodes whose plan is new, and nudge them."""
        specs = {intent.name: intent.spec for intent in intents}
        documents: dict[str, list[dict[str, Any]]] = {node.id: [] for node in self._view.rows.nodes}
        for row in self._view.rows.workloads:
            if row.node_id in documents and row.name in specs:
                documents[row.node_id].append(document_of(row, specs[row.name]))
        digests = {node_id: self._digest(workloads) for node_id, workloads in documents.items()}
        changed = [node.id for node in self._view.rows.nodes if node.plan_sha256 != digests[node.id]]
        ready = self._new_ready()
        if changed or ready:
            async with self._store.transaction() as session:
                for node_id in changed:
                    values = {
                        "plan_sha256": digests[node_id],
                        "plan_generation": NodeRecord.plan_generation + 1,
                    }
                    await session.execute(update(NodeRecord).where(NodeRecord.id == node_id).values(values))
                for workload_id, event in ready.items():
                    statement = update(WorkloadRecord).where(WorkloadRecord.id == workload_id)
                    await session.execute(statement.values(ready=event))
                rows = await read_rows(session)
            self._view.take_rows(rows, self._monotonic())
        # A node that appeared since the documents were made has none: an empty plan would stop all its work.
        known = [node for node in self._view.rows.nodes if node.id in documents]
        self._plans = {node.id: (node.plan_generation, documents[node.id]) for node in known}
        for node_id in changed:
            await self.nudge(node_id)

    async def nudge(self, node_id: str) -> None:
        """Tell a node that there is a new plan; it may get lost, its next heartbeat then shows an old generation."""
        await self._bus.publish(f"sky.nudge.{node_id}", b"{}")

    def _digest(self, workloads: list[dict[str, Any]]) -> str:
        body = {"workloads": workloads, "jwks": self._view.keys.jwks()}
        return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()

    def _new_ready(self) -> dict[str, dict[str, Any]]:
        stored = {row.id: row.ready for row in self._view.rows.workloads}
        seen = {workload.id: dict(workload.ready) for workload in self._view.observed.workloads if workload.reported}
        return {id_: ready for id_, ready in seen.items() if ready and stored.get(id_) != ready}

    def _note_unplaced(self, changes: PlanChanges) -> None:
        found = {item.intent.name: item.reason for item in changes.unplaced}
        for name, reason in found.items():
            if self._unplaced.get(name) != reason:
                log.warning("%s has no place: %s.", name, reason)
        self._unplaced = found

    @staticmethod
    def _log(changes: PlanChanges) -> None:
        for put in changes.put:
            verb = "moved" if put.previous else "placed"
            log.info("%s %s on %s (generation %d): %s.", put.intent.name, verb, put.node_id, put.generation, put.reason)
        for assignment in changes.remove:
            log.info("%s removed from %s.", assignment.name, assignment.node_id)


async def _write(session: AsyncSession, changes: PlanChanges) -> None:
    if changes.remove:
        gone = [assignment.workload_id for assignment in changes.remove]
        await session.execute(delete(WorkloadRecord).where(WorkloadRecord.id.in_(gone)))
    for put in changes.put:
        values = {
            "node_id": put.node_id,
            "generation": put.generation,
            "port": put.port,
            "tenant_id": put.intent.tenant_id,
            "space": put.intent.space,
            "reason": put.reason,
            "ready": {},
            "placed_at": utc_now(),
        }
        if put.previous is None:
            session.add(WorkloadRecord(name=put.intent.name, kind=put.intent.kind, **values))
        else:
            mine = WorkloadRecord.id == put.previous.workload_id
            await session.execute(update(WorkloadRecord).where(mine).values(values))
    await session.flush()
