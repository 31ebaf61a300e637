"""Two witnesses, one truth: stations' events and metrics, and what is concluded from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from skyriver.platform.workloads.model import NodeState, ObservedNode, ObservedState, ObservedWorkload, WorkloadState
from skyriver.services.live.model import HOLD, ChannelState, InputName
from skyriver.services.live.seen import see
from skyriver.services.live.sight import GRACE, InputChange, Lives

T0 = datetime(2026, 5, 1, 12, tzinfo=UTC)
PUBLISHER = {
    "codec": "avc3.64001f",
    "width": 1280,
    "height": 720,
    "fps": 30.0,
    "bitrate_bps": 4_000_000,
    "audio": "aac",
}


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def workload(kind: str, node_id: str = "n1", **other: Any) -> ObservedWorkload:
    base = ObservedWorkload(
        id=f"wl_{kind}_{node_id}",
        name=f"{kind}/{node_id}",
        kind=kind,
        node_id=node_id,
        generation=1,
        state=WorkloadState.READY,
        reported=True,
    )
    return replace(base, **other)


def station(
    *publishing: str, node_id: str = "n1", carries: tuple[str, ...] = ("ch_1",), **other: Any
) -> ObservedWorkload:
    return workload(
        "live.station",
        node_id,
        spec={"channels": [{"channel_id": c, "input": name} for c in carries for name in ("main", "backup")]},
        metrics={"inputs": {c if "/" in c else f"{c}/main": PUBLISHER for c in publishing}},
        **other,
    )


def transcoder(channel_id: str = "ch_1", *, fps: float = 30.0) -> ObservedWorkload:
    return workload(
        "live.transcoder",
        name=f"live.transcoder/{channel_id}",
        spec={"channel_id": channel_id},
        metrics={"renditions": [{"name": "360p", "bitrate_bps": 800_000, "fps": fps}], "delay_ms": 14.0},
    )


def edge(node_id: str, viewers: int, **other: Any) -> ObservedWorkload:
    return workload(
        "relay",
        node_id,
        spec={"role": "edge"},
        metrics={
            "viewers_by_space": {"live/ch_1": viewers, "live/ch_2": 7},
            "egress_by_space": {"live/ch_1": viewers * 10},
        },
        **other,
    )


def seen_on(*workloads: ObservedWorkload, state: NodeState = NodeState.ALIVE, role: Any = "core") -> ObservedNode:
    node_id = workloads[0].node_id
    return ObservedNode(
        node_id,
        node_id,
        "st_1",
        f"site-{node_id}",
        "eu",
        role,
        state,
        False,
        "127.0.0.1",
        4,
        1 << 33,
        workloads=workloads,
    )


def moment(*workloads: ObservedWorkload, state: NodeState = NodeState.ALIVE) -> ObservedState:
    return ObservedState((seen_on(*workloads, state=state),))


def test_an_event_starts_a_channel_and_metrics_of_the_transcoder_make_it_live() -> None:
    lives = Lives()
    change = lives.on_input_event(station(), {"channel_id": "ch_1", "state": "started"}, T0)
    assert change == InputChange("ch_1", "n1", T0, None)
    assert lives.wanted() == {"ch_1"}
    assert lives.look(moment(station(), transcoder(fps=0)), after(1)) == []
    assert lives.life("ch_1").state is ChannelState.STARTING
    lives.look(moment(station("ch_1"), transcoder()), after(2))
    assert lives.life("ch_1").state is ChannelState.LIVE


def test_metrics_older_than_the_goodbye_do_not_bring_the_publisher_back() -> None:
    lives = Lives()
    lives.on_input_event(station(), {"channel_id": "ch_1", "state": "started"}, T0)
    lives.on_input_event(station(), {"channel_id": "ch_1", "state": "stopped"}, after(10))
    assert lives.look(moment(station("ch_1")), after(10.9)) == []
    assert not lives.life("ch_1").has_input
    assert lives.look(moment(station()), after(14)) == []


def test_lost_events_are_made_up_for_by_metrics() -> None:
    lives = Lives()
    (started,) = lives.look(moment(station("ch_1")), T0)
    assert started == InputChange("ch_1", "n1", T0, None)
    assert lives.look(moment(station()), T0 + GRACE - timedelta(milliseconds=1)) == []
    (stopped,) = lives.look(moment(station()), T0 + GRACE)
    assert stopped == InputChange("ch_1", "n1", T0, T0 + GRACE)


def test_an_input_first_seen_in_metrics_has_its_own_name() -> None:
    lives = Lives()
    began = after(-20)
    said = {**PUBLISHER, "since_us": int(began.timestamp() * 1e6)}
    silent = replace(station(), metrics={"inputs": {"ch_1/main": said}})
    assert lives.look(moment(silent), T0) == [InputChange("ch_1", "n1", began, None)]
    goodbye = {"channel_id": "ch_1", "state": "stopped", "since_us": said["since_us"]}
    assert lives.on_input_event(station(), goodbye, after(1)) == InputChange("ch_1", "n1", began, after(1))


@pytest.mark.parametrize("since_us", [10**30, -(10**30), "soon", None, 1.5, True])
def test_an_absurd_start_is_taken_as_now(since_us: Any) -> None:
    event = {"channel_id": "ch_1", "state": "started", "since_us": since_us}
    change = Lives().on_input_event(station(), event, T0)
    assert change is not None and change.channel_id == "ch_1"


def test_a_station_is_believed_only_about_channels_it_carries() -> None:
    lives = Lives()
    assert lives.on_input_event(station(), {"channel_id": "ch_2", "state": "started"}, T0) is None
    assert lives.on_input_event(transcoder(), {"channel_id": "ch_1", "state": "started"}, T0) is None
    assert lives.look(moment(station("ch_2")), after(5)) == []
    assert lives.wanted() == set()


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"channel_id": 7},
        {"channel_id": "ch_1"},
        {"channel_id": "ch_1", "state": "odd"},
        {"channel_id": "ch_1", "state": "started", "input": "spare"},
    ],
)
def test_nonsense_from_a_station_changes_nothing(event: dict[str, Any]) -> None:
    lives = Lives()
    assert lives.on_input_event(station(), event, T0) is None
    broken = replace(station(), metrics={"inputs": {"ch_1/main": 7}})
    assert lives.look(moment(broken, replace(transcoder(), metrics={"renditions": [1, None]})), T0) == []


def test_a_dead_nodes_publishers_are_gone_but_a_deaf_observer_concludes_nothing() -> None:
    lives = Lives()
    lives.look(moment(station("ch_1")), T0)
    dead = seen_on(station("ch_1"), state=NodeState.DEAD)
    assert lives.look(ObservedState((dead,)), after(60)) == []
    assert lives.life("ch_1").has_input
    alive = seen_on(edge("e1", 0), role="edge")
    (stopped,) = lives.look(ObservedState((dead, alive)), after(61))
    assert stopped.ended_at == after(61)


def test_a_restarted_api_remembers_and_waits_for_the_first_heartbeat() -> None:
    lives = Lives()
    lives.restore(InputChange("ch_1", "n1", T0, None), after(100))
    assert lives.wanted() == {"ch_1"}
    not_heard = seen_on(station(reported=False), state=NodeState.UNKNOWN)
    edge_heard = seen_on(edge("e1", 0), role="edge")
    assert lives.look(ObservedState((not_heard, edge_heard)), after(110)) == []
    assert lives.look(moment(station("ch_1"), transcoder()), after(111)) == []
    assert lives.life("ch_1").state is ChannelState.LIVE


def test_a_restart_during_the_hold_keeps_the_rest_of_it() -> None:
    lives = Lives()
    lives.restore(InputChange("ch_1", "n1", T0, after(100)), after(110))
    assert lives.wanted() == {"ch_1"}
    lives.look(moment(station()), after(100) + HOLD)
    assert lives.wanted() == set()
    late = Lives()
    late.restore(InputChange("ch_1", "n1", T0, after(100)), after(1000))
    assert late.wanted() == set()


def test_a_publisher_that_comes_to_another_station_is_one_input_there() -> None:
    lives = Lives()
    lives.look(moment(station("ch_1")), T0)
    other = station("ch_1", node_id="n2")
    change = lives.on_input_event(other, {"channel_id": "ch_1", "state": "started"}, after(5))
    assert change is not None and change.node_id == "n2"
    assert lives.on_input_event(station(), {"channel_id": "ch_1", "state": "stopped"}, after(6)) is None
    assert lives.life("ch_1").has_input
    assert lives.publisher_node_id("ch_1") == "n2"


def test_a_node_whose_clock_is_behind_can_take_a_channel_over() -> None:
    lives = Lives()
    lives.look(moment(station("ch_1")), T0)
    behind = {"channel_id": "ch_1", "state": "started", "since_us": int(after(-3600).timestamp() * 1e6)}
    other = station(node_id="n2")
    change = lives.on_input_event(other, behind, after(5))
    assert change == InputChange("ch_1", "n2", after(5), None)
    goodbye = {"channel_id": "ch_1", "state": "stopped", "since_us": int(after(3600).timestamp() * 1e6)}
    assert lives.on_input_event(station(), goodbye, after(6)) is None
    assert lives.life("ch_1").has_input


def test_the_names_of_inputs_tell_a_late_goodbye_from_a_true_one() -> None:
    lives = Lives()
    old_us, new_us = int(T0.timestamp() * 1e6), int(after(9).timestamp() * 1e6)
    lives.on_input_event(station(), {"channel_id": "ch_1", "state": "started", "since_us": old_us}, T0)
    lives.on_input_event(station(), {"channel_id": "ch_1", "state": "started", "since_us": new_us}, after(9))
    late = {"channel_id": "ch_1", "state": "stopped", "since_us": old_us}
    assert lives.on_input_event(station(), late, after(10)) is None
    assert lives.life("ch_1").has_input
    true = {"channel_id": "ch_1", "state": "stopped", "since_us": new_us}
    assert lives.on_input_event(station(), true, after(11)) is not None


def test_deleted_channels_are_forgotten() -> None:
    lives = Lives()
    lives.look(moment(station("ch_1")), T0)
    lives.forget_except([])
    assert lives.wanted() == set()


def test_what_is_seen_of_a_channel_is_its_own_and_by_site() -> None:
    lives = Lives()
    observed = ObservedState(
        (
            seen_on(station("ch_1"), transcoder()),
            seen_on(workload("live.whep", "c2", metrics={"viewers_by_space": {"live/ch_1": 2, "live/ch_2": 1}})),
            seen_on(edge("e1", 3), role="edge"),
            seen_on(edge("e2", 0), role="edge"),
            seen_on(edge("e3", 9, state=WorkloadState.BACKING_OFF), role="edge"),
        )
    )
    lives.look(observed, T0)
    seen = see("ch_1", lives.life("ch_1"), observed)
    assert seen.viewers_by_site == {"site-c2": 2, "site-e1": 3}
    assert (seen.viewers, seen.egress_bps) == (5, 30)
    assert seen.input is not None and (seen.input.width, seen.input.bitrate_bps) == (1280, 4_000_000)
    assert seen.transcode_ms == 14.0
    assert seen.renditions == [{"name": "360p", "bitrate_bps": 800_000, "fps": 30.0}]
    nothing = see("ch_3", lives.life("ch_3"), observed)
    assert (nothing.state, nothing.input, nothing.viewers) == (ChannelState.OFFLINE, None, 0)


def test_the_two_inputs_of_a_channel_come_and_go_by_themselves() -> None:
    lives = Lives()
    main, backup = station("ch_1"), station("ch_1/backup", node_id="n2")
    observed = ObservedState((seen_on(main), seen_on(backup)))
    started = lives.look(observed, T0)
    assert {(c.input, c.node_id, c.ended_at) for c in started} == {
        (InputName.MAIN, "n1", None),
        (InputName.BACKUP, "n2", None),
    }
    gone = {"channel_id": "ch_1", "input": "main", "state": "stopped"}
    assert lives.on_input_event(main, gone, after(5)) == InputChange("ch_1", "n1", T0, after(5))
    assert lives.life("ch_1").has_input
    assert lives.publisher_node_id("ch_1") is None
    assert lives.publisher_node_id("ch_1", InputName.BACKUP) == "n2"


def test_the_active_input_is_the_one_that_the_transcoder_shows() -> None:
    lives = Lives()
    on_backup = replace(transcoder(), metrics={**transcoder().metrics, "active": "backup"})
    observed = ObservedState((seen_on(station("ch_1"), on_backup), seen_on(station("ch_1/backup", node_id="n2"))))
    lives.look(observed, T0)
    seen = see("ch_1", lives.life("ch_1"), observed)
    assert {name: (i.active, i.site) for name, i in seen.inputs.items()} == {
        InputName.MAIN: (False, "site-n1"),
        InputName.BACKUP: (True, "site-n2"),
    }
    assert seen.active is seen.inputs[InputName.BACKUP]
    assert not seen.on_slate


def test_a_channel_without_input_shows_its_slate_until_the_hold_ends() -> None:
    lives = Lives()
    lives.look(moment(station("ch_1"), transcoder()), T0)
    lives.hold("ch_1", timedelta(minutes=5))
    slate = replace(transcoder(), metrics={**transcoder().metrics, "active": "slate"})
    observed = moment(station(), slate)
    lives.look(observed, after(10))
    assert lives.held() == {"ch_1"}
    seen = see("ch_1", lives.life("ch_1"), observed)
    assert (seen.state, seen.on_slate, seen.inputs, seen.input) == (ChannelState.LIVE, True, {}, None)
    lives.look(observed, after(10 + 300))
    assert not see("ch_1", lives.life("ch_1"), observed).on_slate
