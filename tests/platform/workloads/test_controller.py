"""Passes of the controller against both databases, with a bus that is away: plans are made all the same."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.fabric.bus import Bus, BusAccess, Message, encode_public_key, sign_message
from skyriver.kernel.errors import NotReady
from skyriver.platform.fabric_keys import DeniedGrantRecord, GrantKeys
from skyriver.platform.sites import NodeRecord, SiteRecord
from skyriver.platform.store import Store
from skyriver.platform.workloads import NodeState, ObservedState, WorkloadIntent
from skyriver.platform.workloads.controller import Controller
from skyriver.platform.workloads.view import ClusterView
from tests.platform.workloads.cluster import intent


class Brain:
    """One API process's controller, with hands on its clock and its ears."""

    def __init__(self, store: Store, keys: GrantKeys, wanted: list[WorkloadIntent] | None = None) -> None:
        self.now_s = 0.0
        self.wanted = wanted if wanted is not None else []
        self.fail: Exception | None = None
        self.view = ClusterView(keys)
        bus = Bus(BusAccess("nats://127.0.0.1:1"), name="test")
        self.controller = Controller(
            store,
            bus,
            self.view,
            {"test": self.intents},
            own_intents=lambda _observed: [],
            monotonic=lambda: self.now_s,
        )
        self.view.liveness.hearing(0.0)

    async def intents(self, _session: AsyncSession, observed: ObservedState) -> list[WorkloadIntent]:
        if self.fail is not None:
            raise self.fail
        return [
            intent(i.name, spec={**i.spec, "grant": observed.service_grant(i.name, "live/x", tenant_id="ten_1")})
            for i in self.wanted
        ]

    def hear(self, node_id: str, key: Ed25519PrivateKey, seq: int, **workloads: dict[str, Any]) -> bool:
        body = {
            "boot": "b",
            "seq": seq,
            "plan_generation": 1,
            "cpu": 0.5,
            "memory_bytes": 1,
            "workloads": [{"id": id_, **report} for id_, report in workloads.items()],
        }
        subject, payload = f"sky.hb.{node_id}", json.dumps(body).encode()
        beat = self.view.reports.take(Message(subject, payload, sign_message(key, subject, payload)))
        if beat is not None:
            self.view.liveness.heard(node_id, self.now_s)
            self.view.changed()
        return beat is not None


@pytest.fixture
async def nodes(store: Store) -> dict[str, Ed25519PrivateKey]:
    """Two core nodes and their keys."""
    keys = {name: Ed25519PrivateKey.generate() for name in ("nd_a", "nd_b")}
    async with store.transaction() as session:
        session.add(SiteRecord(id="site_1", slug="one", name="One", region="eu", role="core"))
        await session.flush()
        for name, key in keys.items():
            public = encode_public_key(key.public_key())
            machine = {"address": "127.0.0.1", "cores": 4, "memory_bytes": 8 << 30}
            session.add(NodeRecord(id=name, site_id="site_1", name=name, public_key=public, **machine))
    return keys


async def placed(brain: Brain, nodes: dict[str, Ed25519PrivateKey]) -> None:
    await brain.controller.pass_once()
    for node_id, key in nodes.items():
        assert brain.hear(node_id, key, 1)
    await brain.controller.pass_once()


async def test_a_pass_places_work_and_a_second_one_finds_nothing_to_do(
    store: Store, nodes: dict[str, Ed25519PrivateKey], tmp_path: Path
) -> None:
    brain = Brain(store, await GrantKeys.open(store, tmp_path), [intent("w0", spec={"a": 1}), intent("w1")])
    await placed(brain, nodes)
    plans = {node_id: await brain.controller.plan_of(node_id) for node_id in nodes}
    names = {node_id: [w["name"] for w in plan["workloads"]] for node_id, plan in plans.items()}
    assert sorted(names.values()) == [["w0"], ["w1"]]
    await brain.controller.pass_once()
    assert {node_id: await brain.controller.plan_of(node_id) for node_id in nodes} == plans
    brain.wanted[0] = intent("w0", spec={"a": 2})
    await brain.controller.pass_once()
    for node_id in nodes:
        plan = await brain.controller.plan_of(node_id)
        assert plan["generation"] - plans[node_id]["generation"] == (1 if names[node_id] == ["w0"] else 0)


async def test_two_processes_that_see_a_death_move_the_work_once_and_revoke_its_grant(
    store: Store, nodes: dict[str, Ed25519PrivateKey], tmp_path: Path
) -> None:
    wanted = [intent("w0")]
    brains = [Brain(store, await GrantKeys.open(store, tmp_path), wanted) for _ in range(2)]
    await placed(brains[0], nodes)
    await placed(brains[1], nodes)
    (work,) = brains[0].view.observed.workloads
    before = (await brains[0].controller.plan_of(work.node_id))["workloads"][0]
    other = next(node_id for node_id in nodes if node_id != work.node_id)
    for brain in brains:
        for step in range(1, 12):
            brain.now_s = step * 0.1
            brain.hear(other, nodes[other], 1 + step)
            brain.view.liveness.tick(brain.now_s)
        brain.view.changed()
        assert brain.view.liveness.state(work.node_id) is NodeState.DEAD
    await asyncio.gather(*(brain.controller.pass_once() for brain in brains))
    await asyncio.gather(*(brain.controller.pass_once() for brain in brains))
    plans = [await brain.controller.plan_of(other) for brain in brains]
    assert plans[0]["workloads"] == plans[1]["workloads"]
    (after,) = plans[0]["workloads"]
    assert (after["id"], after["generation"]) == (before["id"], 2)
    assert after["spec"]["grant"] != before["spec"]["grant"]
    assert (await brains[0].controller.plan_of(work.node_id))["workloads"] == []
    async with store.session() as session:
        denied = (await session.scalars(select(DeniedGrantRecord))).all()
    assert [row.reason for row in denied] == ["w0 was moved or removed"]


async def test_only_the_owner_of_the_present_generation_is_believed(
    store: Store, nodes: dict[str, Ed25519PrivateKey], tmp_path: Path
) -> None:
    brain = Brain(store, await GrantKeys.open(store, tmp_path), [intent("w0")])
    await placed(brain, nodes)
    (work,) = brain.view.observed.workloads
    other = next(node_id for node_id in nodes if node_id != work.node_id)
    report = {"generation": 1, "state": "ready", "pid": 7, "restarts": 0, "ready": {"url": "x"}, "metrics": {"n": 1}}
    brain.hear(other, nodes[other], 5, **{work.id: {**report, "pid": 666}})
    assert not brain.view.observed.workloads[0].reported
    brain.hear(work.node_id, nodes[work.node_id], 5, **{work.id: {**report, "generation": 9}})
    assert not brain.view.observed.workloads[0].reported
    brain.hear(work.node_id, nodes[work.node_id], 6, **{work.id: report})
    seen = brain.view.observed.workloads[0]
    assert (seen.serving, seen.pid, seen.metric("n")) == (True, 7, 1.0)
    assert not brain.hear(work.node_id, nodes[other], 7), "signed by another node"
    assert not brain.hear(work.node_id, nodes[work.node_id], 6), "an old one again"
    await brain.controller.pass_once()
    fresh = Brain(store, brain.view.keys, brain.wanted)
    await fresh.controller.pass_once()
    assert fresh.view.observed.workloads[0].ready == {"url": "x"}, "a fresh process knows the last address"


async def test_a_service_that_fails_keeps_its_work_and_stops_nobody(
    store: Store, nodes: dict[str, Ed25519PrivateKey], tmp_path: Path
) -> None:
    brain = Brain(store, await GrantKeys.open(store, tmp_path), [intent("w0")])
    await placed(brain, nodes)
    brain.fail = ZeroDivisionError()
    await brain.controller.pass_once()
    assert len(brain.view.observed.workloads) == 1
    fresh = Brain(store, brain.view.keys)
    fresh.fail = ZeroDivisionError()
    with pytest.raises(NotReady, match="test"):
        await fresh.controller.pass_once()
    assert len(fresh.view.rows.workloads) == 1


async def test_work_that_was_removed_and_comes_back_gets_a_grant_that_is_not_revoked(
    store: Store, nodes: dict[str, Ed25519PrivateKey], tmp_path: Path
) -> None:
    brain = Brain(store, await GrantKeys.open(store, tmp_path), [intent("w0")])
    await placed(brain, nodes)
    first = brain.view.specs["w0"]["grant"]
    work = brain.wanted.pop()
    await brain.controller.pass_once()
    assert brain.view.rows.workloads == []
    brain.wanted.append(work)
    await brain.controller.pass_once()
    assert brain.view.specs["w0"]["grant"] != first
