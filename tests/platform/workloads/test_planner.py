"""The planner, by its rules and by a seeded simulation."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from skyriver.platform.dispatch import CapacityHealthSpread
from skyriver.platform.workloads import Assignment, NodeState, ObservedNode, WorkloadIntent
from skyriver.platform.workloads.planner import PlanChanges, plan
from tests.platform.workloads.cluster import intent, node

PLACEMENT = CapacityHealthSpread()


def apply(assignments: list[Assignment], changes: PlanChanges) -> list[Assignment]:
    """What the controller does with the changes."""
    gone = {a.name for a in changes.remove} | {put.intent.name for put in changes.put}
    kept = [a for a in assignments if a.name not in gone]
    return kept + [
        Assignment(f"wl_{put.intent.name}", put.intent.name, put.intent.kind, put.node_id, put.generation, put.port)
        for put in changes.put
    ]


def settle(
    intents: list[WorkloadIntent], nodes: list[ObservedNode], start: list[Assignment] | None = None
) -> dict[str, Assignment]:
    assignments = apply(start or [], plan(intents, start or [], nodes, PLACEMENT))
    again = plan(intents, assignments, nodes, PLACEMENT)
    assert not again, "a second pass must find nothing to do"
    return {a.name: a for a in assignments}


def test_work_is_spread_and_stays() -> None:
    placed = settle([intent(f"w{i}") for i in range(6)], [node("a"), node("b"), node("c")])
    assert sorted(a.node_id for a in placed.values()) == ["a", "a", "b", "b", "c", "c"]
    bigger = settle(
        [intent(f"w{i}") for i in range(6)], [node("a"), node("b"), node("c"), node("d")], list(placed.values())
    )
    assert bigger == placed


def test_a_dead_nodes_work_moves_with_a_new_generation() -> None:
    intents = [intent("w0"), intent("w1")]
    placed = settle(intents, [node("a"), node("b")])
    after = settle(intents, [node("a", state=NodeState.DEAD), node("b")], list(placed.values()))
    assert {a.node_id for a in after.values()} == {"b"}
    assert sorted(a.generation for a in after.values()) == [1, 2]


@pytest.mark.parametrize("state", [NodeState.SUSPECT, NodeState.UNKNOWN])
def test_doubtful_nodes_keep_their_work_and_get_none(state: NodeState) -> None:
    placed = settle([intent("w0")], [node("a")])
    after = settle([intent("w0"), intent("w1")], [node("a", state=state), node("b")], list(placed.values()))
    assert (after["w0"], after["w1"].node_id) == (placed["w0"], "b")


def test_draining_moves_work_only_if_another_node_takes_it() -> None:
    placed = settle([intent("w0")], [node("a")])
    alone = plan([intent("w0")], list(placed.values()), [node("a", draining=True)], PLACEMENT)
    assert not alone
    assert [u.reason for u in alone.unplaced] == ["no living core node takes work"]
    assert settle([intent("w0")], [node("a", draining=True), node("b")], list(placed.values()))["w0"].node_id == "b"


def test_pinned_work_stays_on_its_dead_node() -> None:
    pinned = intent("relay/a", node_id="a", site_role="edge", wants_port=True)
    placed = settle([pinned], [node("a", role="edge"), node("b", role="edge")])
    dead = [node("a", role="edge", state=NodeState.DEAD), node("b", role="edge")]
    assert settle([pinned], dead, list(placed.values())) == placed
    assert placed["relay/a"].port == 4443


def test_ports_come_in_distinct_pairs_and_are_kept() -> None:
    intents = [intent(f"r{i}", node_id="a", wants_port=True) for i in range(3)]
    placed = settle(intents, [node("a")])
    assert sorted(a.port or 0 for a in placed.values()) == [4443, 4445, 4447]
    fewer = settle(intents[1:], [node("a")], list(placed.values()))
    assert fewer["r2"].port == placed["r2"].port


def test_apart_from_full_nodes_and_gone_intents() -> None:
    intents = [intent("main"), intent("standby", apart_from=("main",))]
    placed = settle(intents, [node("a", cores=16), node("b", cores=1)])
    assert placed["main"].node_id != placed["standby"].node_id
    together = settle(intents, [node("a")])
    assert together["standby"].node_id == "a"
    full = plan([intent("huge", memory_bytes=64 << 30)], [], [node("a")], PLACEMENT)
    assert "0.25 cores and 65536 MiB" in full.unplaced[0].reason
    assert settle([], [node("a")], list(placed.values())) == {}


def test_an_overloaded_node_is_refused_work_and_keeps_what_it_has() -> None:
    busy = node("a", cores=1)
    placed = settle([intent("w0"), intent("w1")], [busy])
    hot = replace(busy, cpu=0.95)
    intents = [intent("w0"), intent("w1"), intent("w2")]
    refused = plan(intents, list(placed.values()), [hot], PLACEMENT)
    assert not refused and "overloaded" in refused.unplaced[0].reason
    assert settle(intents, [hot, node("b")], list(placed.values()))["w2"].node_id == "b"
    assert settle([intent("w2")], [hot])["w2"].node_id == "a", "a machine that others keep busy is no reason"


def test_a_standby_prefers_another_site_to_another_node() -> None:
    intents = [intent("main"), intent("standby", apart_from=("main",))]
    nodes = [
        replace(node("a", cores=16), site_id="s1"),
        replace(node("b", cores=8), site_id="s1"),
        replace(node("c", cores=1), site_id="s2"),
    ]
    placed = settle(intents, nodes)
    assert (placed["main"].node_id, placed["standby"].node_id) == ("a", "c")
    one_site = settle(intents, nodes[:2])
    assert (one_site["main"].node_id, one_site["standby"].node_id) == ("a", "b")


@pytest.mark.parametrize("seed", range(20))
def test_simulated_cluster_never_loses_or_doubles_work(seed: int) -> None:
    """Nodes die, return, drain and join at random, intents come and go; after each pass the rules must hold."""
    rng = random.Random(seed)
    nodes = {f"n{i}": node(f"n{i}", cores=16) for i in range(4)}
    intents: dict[str, WorkloadIntent] = {}
    assignments: list[Assignment] = []
    generations: dict[str, int] = {}
    for step in range(200):
        match rng.randrange(6):
            case 0 | 1:
                name = f"w{step}"
                intents[name] = intent(name, wants_port=rng.random() < 0.3)
            case 2 if intents:
                generations.pop(gone := rng.choice(sorted(intents)), None)
                del intents[gone]
            case 3:
                chosen = rng.choice(sorted(nodes))
                nodes[chosen] = replace(nodes[chosen], state=rng.choice(list(NodeState)))
            case 4:
                chosen = rng.choice(sorted(nodes))
                nodes[chosen] = replace(nodes[chosen], draining=rng.random() < 0.3)
            case _ if len(nodes) < 8:
                nodes[f"j{step}"] = node(f"j{step}", cores=16)
        changes = plan(list(intents.values()), assignments, list(nodes.values()), PLACEMENT)
        before = {a.name: a for a in assignments}
        assignments = apply(assignments, changes)
        names = [a.name for a in assignments]
        where = f"seed {seed}, step {step}"
        assert len(names) == len(set(names)), where
        assert set(names) | {u.intent.name for u in changes.unplaced} == set(intents), where
        ports = [(a.node_id, a.port) for a in assignments if a.port]
        assert len(ports) == len(set(ports)), where
        for put in changes.put:
            assert nodes[put.node_id].takes_work, where
        for a in assignments:
            assert a.generation >= generations.get(a.name, 1), where
            generations[a.name] = a.generation
            moved = a.name in before and before[a.name].node_id != a.node_id
            if moved:
                old = nodes[before[a.name].node_id]
                assert old.state is NodeState.DEAD or old.draining, where
                assert a.generation == before[a.name].generation + 1, where
        assert not plan(list(intents.values()), assignments, list(nodes.values()), PLACEMENT), where


def test_a_port_outside_the_nodes_new_range_is_replaced() -> None:
    relays = [intent(f"relay{i}", node_id="a", wants_port=True) for i in range(3)]
    placed = settle(relays, [node("a", ports=(4433, 4452))])
    assert [a.port for a in placed.values()] == [4433, 4435, 4437]
    after = settle(relays, [node("a", ports=(4437, 4456))], list(placed.values()))
    assert {name: (a.port, a.generation) for name, a in after.items()} == {
        "relay0": (4439, 2),
        "relay1": (4441, 2),
        "relay2": (4437, 1),  # still inside: it stays, and so do its viewers
    }
    assert settle(relays, [node("a", ports=(0, 0))], list(after.values())) == after
