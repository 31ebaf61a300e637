"""When a node counts as dead: virtual time only."""

from __future__ import annotations

from skyriver.platform.workloads.liveness import RETURN_GRACE_S, Liveness
from skyriver.platform.workloads.model import NodeState


def watching(*node_ids: str) -> Liveness:
    liveness = Liveness()
    liveness.watch(set(node_ids), 0.0)
    liveness.hearing(0.0)
    return liveness


def ticks(liveness: Liveness, start_s: float, end_s: float, *beating: str) -> list[tuple[float, str, NodeState]]:
    """Tick every 0.1 s; the `beating` nodes speak every 0.25 s. Changes as (time, node, state)."""
    seen: list[tuple[float, str, NodeState]] = []
    for step in range(round(start_s * 20), round(end_s * 20) + 1):
        now_s = step / 20
        if step % 5 == 0:
            for node_id in beating:
                if change := liveness.heard(node_id, now_s):
                    seen.append((now_s, node_id, change.after))
        if step % 2 == 0:
            seen += [(now_s, change.node_id, change.after) for change in liveness.tick(now_s)]
    return seen


def test_silence_makes_suspect_after_half_a_second_and_dead_after_one() -> None:
    liveness = watching("a", "b")
    assert ticks(liveness, 0, 2, "a", "b") == [(0.0, "a", NodeState.ALIVE), (0.0, "b", NodeState.ALIVE)]
    assert ticks(liveness, 2.1, 4, "b") == [(2.5, "a", NodeState.SUSPECT), (3.0, "a", NodeState.DEAD)]
    assert ticks(liveness, 4.1, 5, "a", "b")[0][1:] == ("a", NodeState.ALIVE)


def test_a_dead_bus_kills_nobody_and_its_return_gives_a_grace() -> None:
    liveness = watching("a")
    ticks(liveness, 0, 1, "a")
    liveness.deaf()
    assert ticks(liveness, 1, 60) == []
    liveness.hearing(60.0)
    assert ticks(liveness, 60, 60 + RETURN_GRACE_S - 0.1) == []
    assert ticks(liveness, 60 + RETURN_GRACE_S, 66) == [(60 + RETURN_GRACE_S, "a", NodeState.DEAD)]


def test_time_in_which_we_were_stopped_is_not_held_against_nodes() -> None:
    liveness = watching("a")
    ticks(liveness, 0, 1, "a")
    assert liveness.tick(31.0) == []
    assert liveness.state("a") is NodeState.ALIVE


def test_a_node_never_heard_is_unknown_and_then_dead() -> None:
    liveness = watching("a")
    assert liveness.state("a") is NodeState.UNKNOWN
    assert ticks(liveness, 0, 6) == [(RETURN_GRACE_S, "a", NodeState.DEAD)]


def test_strangers_are_ignored_and_the_removed_forgotten() -> None:
    liveness = watching("a")
    assert liveness.heard("stranger", 0.1) is None
    liveness.heard("a", 0.1)
    liveness.watch({"b"}, 0.2)
    assert liveness.state("a") is NodeState.UNKNOWN
