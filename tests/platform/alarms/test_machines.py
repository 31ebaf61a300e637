"""The platform's own alarms, out of observed states written by hand, and what workloads speak out themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from skyriver.platform.alarms.machines import machine_conditions
from skyriver.platform.alarms.spoken import ONCE_S, PER_WORKLOAD_MAX, SpokenAlarms
from skyriver.platform.workloads.model import (
    NodeState,
    ObservedNode,
    ObservedState,
    ObservedWorkload,
    SiteRole,
    StayingWorkload,
    WorkloadState,
)


def node(name: str, role: SiteRole, *workloads: ObservedWorkload, state: NodeState = NodeState.ALIVE) -> ObservedNode:
    return ObservedNode(
        id=f"nd_{name}",
        name=name,
        site_id=f"site_{role}",
        site_slug=role,
        region="eu",
        role=role,
        state=state,
        draining=False,
        address="127.0.0.1",
        cores=4,
        memory_bytes=1 << 30,
        workloads=workloads,
    )


def workload(kind: str, state: WorkloadState = WorkloadState.READY, **other: Any) -> ObservedWorkload:
    return ObservedWorkload(f"wl_{kind}", kind, kind, "nd_x", 1, state=state, reported=True, **other)


EDGE = workload("relay", spec={"role": "edge"})


def kinds(*nodes: ObservedNode, unplaced: dict[str, str] | None = None, bus: bool = True) -> list[tuple[str, str]]:
    found = machine_conditions("ten_op", ObservedState(nodes), unplaced or {}, bus_connected=bus)
    return [(condition.kind, condition.subject.name) for condition in found]


def test_a_healthy_cloud_has_no_alarms() -> None:
    assert kinds(node("core", "core", workload("live.station")), node("edge", "edge", EDGE)) == []
    assert kinds(node("new", "edge", state=NodeState.UNKNOWN)) == [], "a node that was never heard may still come"


def test_what_a_node_cannot_bring_away_is_an_alarm_and_what_it_is_bringing_is_none() -> None:
    core = node("core", "core", workload("live.station"))
    assert kinds(replace(core, staying=(StayingWorkload("live.recorder/rec_1"),))) == []
    assert kinds(replace(core, staying=(StayingWorkload("live.recorder/rec_1", "store_away"),))) == [
        ("work_left_behind", "core")
    ]
    assert kinds(replace(core, staying=(StayingWorkload("live.recorder/rec_1", restarts=3),))) == [
        ("work_left_behind", "core")
    ]


def test_dead_nodes_and_the_sites_they_leave_without_an_edge() -> None:
    dead = node("edge-1", "edge", EDGE, state=NodeState.DEAD)
    assert kinds(dead, node("edge-2", "edge", EDGE)) == [("node_dead", "edge-1")]
    assert kinds(dead) == [("node_dead", "edge-1"), ("site_without_edge", "edge")]
    starting = workload("relay", WorkloadState.STARTING, spec={"role": "edge"})
    assert kinds(node("edge-2", "edge", starting)) == [("site_without_edge", "edge")]


def test_work_that_keeps_ending_and_work_without_a_place() -> None:
    failing = workload("live.transcoder", WorkloadState.BACKING_OFF)
    assert kinds(node("core", "core", failing)) == [("workload_failing", "live.transcoder")]
    assert kinds(unplaced={"live.transcoder/ch_1": "no node has room"}) == [("work_unplaced", "planner")]


def test_without_the_bus_only_the_bus_is_judged() -> None:
    assert kinds(node("edge", "edge", state=NodeState.DEAD), bus=False) == [("bus_down", "bus")]


RECORDER = workload("live.recorder", tenant_id="ten_a")
GAP = {
    "event": "alarm",
    "kind": "recorder_gap",
    "severity": "critical",
    "state": "raised",
    "subject": {"kind": "channel", "id": "ch_1", "name": "Stage"},
    "message": "The store is full.",
    "hint": "Make room.",
}


def observed(*workloads: ObservedWorkload) -> ObservedState:
    return ObservedState((node("core", "core", *workloads),))


def test_what_a_workload_says_holds_until_it_takes_it_back() -> None:
    spoken = SpokenAlarms()
    spoken.take(RECORDER, GAP, "ten_a", 0.0)
    (condition,) = spoken.holding(observed(RECORDER), 1e6)
    assert (condition.tenant_id, condition.kind, condition.subject.id) == ("ten_a", "recorder_gap", "ch_1")
    spoken.take(RECORDER, {**GAP, "state": "cleared"}, "ten_a", 2.0)
    assert spoken.holding(observed(RECORDER), 3.0) == []


def test_what_happened_once_is_over_by_itself() -> None:
    spoken = SpokenAlarms()
    spoken.take(RECORDER, {"kind": "part_lost"}, "ten_a", 0.0)
    (condition,) = spoken.holding(observed(RECORDER), ONCE_S - 1)
    assert (condition.message, condition.subject.kind) == ("part lost", "workload")
    assert spoken.holding(observed(RECORDER), ONCE_S) == []


def test_what_a_workload_said_goes_with_it() -> None:
    for after in (observed(), observed(replace(RECORDER, restarts=1))):
        spoken = SpokenAlarms()
        spoken.take(RECORDER, GAP, "ten_a", 0.0)
        assert spoken.holding(after, 1.0) == []


def test_a_workload_gone_mad_is_bounded() -> None:
    spoken = SpokenAlarms()
    for number in range(PER_WORKLOAD_MAX * 3):
        spoken.take(RECORDER, {**GAP, "kind": f"k{number}", "message": "x" * 100_000}, "ten_a", 0.0)
    spoken.take(RECORDER, {"kind": ["no", "text"]}, "ten_a", 0.0)
    held = spoken.holding(observed(RECORDER), 1.0)
    assert len(held) == PER_WORKLOAD_MAX and all(len(condition.message) <= 500 for condition in held)
