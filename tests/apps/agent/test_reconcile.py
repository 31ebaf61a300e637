"""The agent's state machine in virtual time: no process is started here."""

from __future__ import annotations

import random
import signal
from typing import Any

import pytest

from skyriver.apps.agent.reconcile import (
    BACK_OFF_LAST_S,
    DRAIN_S,
    HEALTHY_AFTER_S,
    TERM_S,
    Action,
    Forget,
    Phase,
    Reconciler,
    Send,
    Signal,
    Start,
    Stay,
    Wanted,
)


def work(workload_id: str = "wl_1", **spec: Any) -> Wanted:
    return Wanted(workload_id, "probe", workload_id, 1, spec)


def running(reconciler: Reconciler, *workloads: Wanted, now_s: float = 0.0) -> None:
    assert reconciler.plan(list(workloads), now_s) == [Start(w) for w in workloads]
    for number, workload in enumerate(workloads):
        reconciler.started(workload.id, 100 + number)
        assert reconciler.said(workload.id, {"event": "ready", "port": 1}, now_s) == []


def test_work_of_the_plan_is_started_once_and_shown() -> None:
    reconciler = Reconciler()
    running(reconciler, work())
    assert reconciler.plan([work()], 1.0) == []
    slot = reconciler.slots["wl_1"]
    assert (slot.state, slot.pid, slot.ready, slot.restarts) == ("ready", 100, {"port": 1}, 0)
    reconciler.said("wl_1", {"event": "metrics", "viewers": 3}, 1.0)
    assert slot.metrics == {"viewers": 3}


def test_an_unexpected_end_is_followed_by_a_doubling_capped_back_off() -> None:
    reconciler = Reconciler()
    running(reconciler, work())
    now_s, pauses = 0.0, []
    for _ in range(9):
        assert reconciler.ended("wl_1", now_s) == []
        assert reconciler.slots["wl_1"].state == "backing_off"
        due_s = reconciler.next_due_s()
        assert due_s is not None
        pauses.append(round(due_s - now_s, 3))
        assert reconciler.tick(due_s - 0.001) == []
        assert reconciler.tick(due_s) == [Start(work())]
        now_s = due_s
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, BACK_OFF_LAST_S, BACK_OFF_LAST_S]
    reconciler.ended("wl_1", now_s + HEALTHY_AFTER_S)
    assert reconciler.next_due_s() == pytest.approx(now_s + HEALTHY_AFTER_S + 0.05)
    assert reconciler.slots["wl_1"].restarts == 10


def test_a_process_that_is_killed_on_request_is_back_at_once_however_often() -> None:
    reconciler = Reconciler()
    running(reconciler, work())
    for number in range(50):
        reconciler.kill_ordered("wl_1")
        assert reconciler.ended("wl_1", number / 10) == [Start(work())]
    assert reconciler.slots["wl_1"].restarts == 50
    assert reconciler.ended("wl_1", 6.0) == []  # and the first crash of its own waits no longer than any first one
    assert reconciler.next_due_s() == pytest.approx(6.05)


def test_a_new_spec_is_told_and_a_wished_restart_is_no_failure() -> None:
    reconciler = Reconciler()
    running(reconciler, work(value=1))
    assert reconciler.plan([work(value=2)], 1.0) == [Send("wl_1", {"cmd": "spec", "spec": {"value": 2}})]
    assert reconciler.said("wl_1", {"event": "restart_me"}, 2.0) == [Send("wl_1", {"cmd": "drain"})]
    assert reconciler.ended("wl_1", 2.5) == [Start(work(value=2))]
    assert reconciler.slots["wl_1"].restarts == 0


def test_removed_work_drains_then_is_told_more_firmly_then_forgotten() -> None:
    reconciler = Reconciler()
    running(reconciler, work())
    assert reconciler.plan([], 1.0) == [Send("wl_1", {"cmd": "drain"})]
    assert reconciler.slots["wl_1"].state == "draining"
    assert reconciler.tick(1.0 + DRAIN_S - 0.01) == []
    assert reconciler.tick(1.0 + DRAIN_S) == [Signal("wl_1", signal.SIGTERM)]
    assert reconciler.tick(1.0 + DRAIN_S + TERM_S) == [Signal("wl_1", signal.SIGKILL)]
    assert reconciler.ended("wl_1", 9.0) == [Forget("wl_1")]
    assert reconciler.empty


def test_work_that_comes_back_while_it_leaves_waits_for_the_old_process() -> None:
    reconciler = Reconciler()
    running(reconciler, work())
    reconciler.plan([], 1.0)
    assert reconciler.plan([work(value=2)], 2.0) == []
    assert reconciler.ended("wl_1", 3.0) == [Start(work(value=2))]


def test_after_a_stop_everything_drains_and_nothing_starts() -> None:
    reconciler = Reconciler()
    running(reconciler, work("wl_1"), work("wl_2"))
    reconciler.ended("wl_2", 1.0)
    assert reconciler.stop(1.01) == [Send("wl_1", {"cmd": "drain"})]
    assert reconciler.plan([work("wl_3")], 1.02) == []
    assert reconciler.ended("wl_1", 2.0) == []
    assert reconciler.empty


class World:
    """Processes as the reconciler wants them, which live and die as a seeded dice says."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.reconciler = Reconciler()
        self.alive: dict[str, float] = {}
        self.draining: set[str] = set()
        self.now_s = 0.0

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Start():
                    assert action.workload.id not in self.alive, "two processes of one workload"
                    self.alive[action.workload.id] = self.now_s
                    self.reconciler.started(action.workload.id, self.dice.randrange(1000, 9999))
                case Send(workload_id=workload_id, command={"cmd": "drain"}):
                    self.draining.add(workload_id)
                case Signal(workload_id=workload_id, signal=signal.SIGKILL):
                    self.end(workload_id)
                case Forget(workload_id=workload_id):
                    assert workload_id not in self.alive, "a running process was forgotten"

    def end(self, workload_id: str) -> None:
        del self.alive[workload_id]
        self.draining.discard(workload_id)
        self.do(self.reconciler.ended(workload_id, self.now_s))

    def step(self, plan: list[Wanted]) -> None:
        self.now_s += self.dice.choice((0.01, 0.1, 1.0))
        self.do(self.reconciler.tick(self.now_s))
        match self.dice.randrange(5):
            case 0:
                self.do(self.reconciler.plan(plan, self.now_s))
            case 1 if self.alive:
                self.end(self.dice.choice(sorted(self.alive)))
            case 2 if self.draining:
                self.end(self.dice.choice(sorted(self.draining)))
            case 3 if self.alive:
                event = self.dice.choice(("ready", "restart_me", "metrics"))
                self.do(self.reconciler.said(self.dice.choice(sorted(self.alive)), {"event": event}, self.now_s))


@pytest.mark.parametrize("seed", range(30))
def test_simulated_children_always_come_to_what_is_wanted(seed: int) -> None:
    """Plans change and children die at random; left alone afterwards, exactly the last plan runs."""
    world = World(seed)
    plan: list[Wanted] = []
    for _ in range(300):
        if world.dice.random() < 0.1:
            plan = [work(f"wl_{n}", value=world.dice.randrange(3)) for n in range(6) if world.dice.random() < 0.6]
        world.step(plan)
    world.do(world.reconciler.plan(plan, world.now_s))
    for _ in range(10):
        world.now_s += BACK_OFF_LAST_S
        world.do(world.reconciler.tick(world.now_s))
        for workload_id in sorted(world.draining):
            world.end(workload_id)
    assert set(world.alive) == {w.id for w in plan}, f"seed {seed}"
    assert all(slot.phase is Phase.RUNNING for slot in world.reconciler.slots.values())
    world.do(world.reconciler.stop(world.now_s))
    for workload_id in sorted(world.draining):
        world.end(workload_id)
    assert world.reconciler.empty and not world.alive, f"seed {seed}"


def test_work_that_keeps_something_is_forgotten_only_when_that_is_brought_away() -> None:
    reconciler, keeper = Reconciler(), work(leave_within_s=100)
    running(reconciler, keeper)
    assert reconciler.plan([], 1.0) == [Stay(keeper, 100.0), Send("wl_1", {"cmd": "leave"})]
    assert reconciler.plan([], 2.0) == [] and reconciler.slots["wl_1"].stays
    assert reconciler.ended("wl_1", 3.0) == [], "it ended without having said that it left"
    assert reconciler.tick(3.05) == [Start(keeper, leave=True)]
    assert reconciler.said("wl_1", {"event": "left"}, 4.0) == []
    assert reconciler.ended("wl_1", 4.0) == [Forget("wl_1")] and reconciler.empty


def test_what_is_not_brought_away_in_time_is_lost_and_said_to_be() -> None:
    reconciler, keeper = Reconciler(), work(leave_within_s=100)
    running(reconciler, keeper)
    reconciler.plan([], 1.0)
    assert reconciler.tick(100.9) == []
    assert reconciler.tick(101.0) == [Send("wl_1", {"cmd": "drain"})]
    assert reconciler.ended("wl_1", 102.0) == [Forget("wl_1", unfinished=True)]
    assert reconciler.stay(keeper, 0.0, 200.0) == [Stay(keeper, 0.0), Forget("wl_1", unfinished=True)]


def test_work_that_comes_back_while_it_is_brought_away_runs_again_after_that_process() -> None:
    reconciler, keeper = Reconciler(), work(leave_within_s=100)
    running(reconciler, keeper)
    reconciler.plan([], 1.0)
    assert reconciler.plan([keeper], 2.0) == [Send("wl_1", {"cmd": "drain"})]
    assert not reconciler.slots["wl_1"].stays
    assert reconciler.ended("wl_1", 3.0) == [Start(keeper)]


def test_work_that_leaves_the_plan_while_it_is_restarted_is_brought_away_all_the_same() -> None:
    reconciler, keeper = Reconciler(), work(leave_within_s=100)
    running(reconciler, keeper)
    assert reconciler.said("wl_1", {"event": "restart_me"}, 1.0) == [Send("wl_1", {"cmd": "drain"})]
    assert reconciler.plan([], 2.0) == []
    assert reconciler.ended("wl_1", 3.0) == [Stay(keeper, 100.0), Start(keeper, leave=True)]


def test_an_agent_that_stops_forgets_nothing_of_what_stays() -> None:
    reconciler, keeper = Reconciler(), work(leave_within_s=100)
    running(reconciler, keeper)
    reconciler.plan([], 1.0)
    assert reconciler.stop(2.0) == [Send("wl_1", {"cmd": "drain"})]
    assert reconciler.ended("wl_1", 3.0) == [] and reconciler.empty
