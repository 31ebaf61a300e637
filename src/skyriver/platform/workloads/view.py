"""One process's picture of the cluster: rows of the store, joined with what nodes report. In memory, one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.fabric.bus.node_keys import decode_public_key
from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.sites.records import NodeRecord, SiteRecord
from skyriver.platform.workloads.heartbeats import Heartbeat, NodeReports, observe
from skyriver.platform.workloads.liveness import Liveness
from skyriver.platform.workloads.model import Json, ObservedNode, ObservedState, ObservedWorkload
from skyriver.platform.workloads.records import WorkloadRecord


@dataclass(frozen=True)
class Rows:
    """What the store says, read in one transaction."""

    sites: Sequence[SiteRecord] = ()
    nodes: Sequence[NodeRecord] = ()
    workloads: Sequence[WorkloadRecord] = ()


async def read_rows(session: AsyncSession) -> Rows:
    """The whole cluster: thousands of small rows at most, read in three queries."""
    fresh = {"populate_existing": True}  # a session that has just written must not answer from its memory
    return Rows(
        sites=(await session.scalars(select(SiteRecord).order_by(SiteRecord.id), execution_options=fresh)).all(),
        nodes=(await session.scalars(select(NodeRecord).order_by(NodeRecord.id), execution_options=fresh)).all(),
        workloads=(
            await session.scalars(select(WorkloadRecord).order_by(WorkloadRecord.name), execution_options=fresh)
        ).all(),
    )


@dataclass
class ClusterView:
    """The picture. `observed` is made anew only after something changed."""

    keys: GrantKeys
    reports: NodeReports = field(default_factory=NodeReports)
    liveness: Liveness = field(default_factory=Liveness)
    rows: Rows = field(default_factory=Rows)
    specs: dict[str, Json] = field(default_factory=dict)
    """By name, as they were last planned."""
    issued: dict[str, dict[str, datetime]] = field(default_factory=dict)
    """Service grants in use: name -> jti -> expiry."""
    _observed: ObservedState | None = None
    _change: asyncio.Event = field(default_factory=asyncio.Event)
    _names_of: Rows | None = None
    _names: Mapping[str, WorkloadRecord] = field(default_factory=dict)

    def take_rows(self, rows: Rows, now_s: float) -> None:
        self.rows = rows
        self.liveness.watch({node.id for node in rows.nodes}, now_s)
        self.reports.watch({node.id: decode_public_key(node.public_key) for node in rows.nodes})
        self.changed()

    def changed(self) -> None:
        """Something in the picture is new."""
        self._observed = None
        self._change.set()
        self._change = asyncio.Event()

    async def next_change(self) -> None:
        """Until something in the picture is new."""
        await self._change.wait()

    @property
    def observed(self) -> ObservedState:
        if self._observed is None:
            self._observed = self._observe()
        return self._observed

    def _observe(self) -> ObservedState:
        sites = {site.id: site for site in self.rows.sites}
        held: dict[str, list[WorkloadRecord]] = {}
        for row in self.rows.workloads:
            held.setdefault(row.node_id, []).append(row)
        nodes = tuple(self._node(row, sites[row.site_id], held.get(row.id, ())) for row in self.rows.nodes)
        return ObservedState(nodes, grant_minter=self._mint)

    def _node(self, row: NodeRecord, site: SiteRecord, held: Sequence[WorkloadRecord]) -> ObservedNode:
        beat = self.reports.latest.get(row.id)
        return ObservedNode(
            id=row.id,
            name=row.name,
            site_id=site.id,
            site_slug=site.slug,
            region=site.region,
            role="core" if site.role == "core" else "edge",
            state=self.liveness.state(row.id),
            draining=row.draining,
            address=row.address,
            cores=row.cores,
            memory_bytes=row.memory_bytes,
            ports=(row.first_port, row.last_port),
            latitude=site.latitude,
            longitude=site.longitude,
            cpu=beat.cpu if beat else 0.0,
            memory_used_bytes=beat.memory_used_bytes if beat else 0,
            plan_generation=beat.plan_generation if beat else 0,
            workloads=tuple(self._workload(workload, beat) for workload in held),
            staying=beat.staying if beat else (),
        )

    def _workload(self, row: WorkloadRecord, beat: Heartbeat | None) -> ObservedWorkload:
        expected = ObservedWorkload(
            id=row.id,
            name=row.name,
            kind=row.kind,
            node_id=row.node_id,
            generation=row.generation,
            tenant_id=row.tenant_id,
            space=row.space,
            ready=row.ready,
            spec=self.specs.get(row.name, {}),
        )
        return observe(expected, beat.workloads.get(row.id) if beat else None)

    def _mint(self, name: str, root: str, put: tuple[str, ...], get: tuple[str, ...], tenant_id: str | None) -> str:
        row = self._by_name().get(name)
        # Work that has no place yet gets a grant that is never delivered: after it is placed, specs are made again.
        holder = f"{row.id}/{row.generation}" if row else f"unplaced/{name}"
        minted = self.keys.mint_service(holder, root, tenant_id=tenant_id, put=put, get=get)
        if row:
            self.issued.setdefault(name, {})[minted.jti] = minted.expires_at
        return minted.token

    def _by_name(self) -> Mapping[str, WorkloadRecord]:
        if self._names_of is not self.rows:
            self._names_of, self._names = self.rows, {row.name: row for row in self.rows.workloads}
        return self._names


def document_of(row: WorkloadRecord, spec: Json) -> dict[str, Any]:
    """A workload as a node's plan carries it."""
    full = dict(spec) if row.port is None else {**spec, "port": row.port}
    return {
        "id": row.id,
        "kind": row.kind,
        "name": row.name,
        "generation": row.generation,
        "spec": full,
        "restart": "always",
    }
