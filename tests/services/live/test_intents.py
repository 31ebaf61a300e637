"""What should run: pure functions of rows and observation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from skyriver.platform.workloads.model import (
    NodeState,
    ObservedNode,
    ObservedState,
    ObservedWorkload,
    WorkloadIntent,
    WorkloadState,
)
from skyriver.services.live.intents import ChannelPlan, FeederPlan, home_node, plan_live, rtmp_url
from skyriver.services.live.model import HOLD, ProfileName, Takeover

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def node(node_id: str, *, role: Any = "core", state: NodeState = NodeState.ALIVE, **other: Any) -> ObservedNode:
    return ObservedNode(
        id=node_id,
        name=node_id,
        site_id="st_1",
        site_slug="core",
        region="eu",
        role=role,
        state=state,
        draining=other.pop("draining", False),
        address=other.pop("address", "127.0.0.1"),
        cores=4,
        memory_bytes=8 << 30,
        **other,
    )


def origin_on(node_id: str) -> ObservedWorkload:
    return ObservedWorkload(
        id=f"wl_{node_id}",
        name=f"relay/{node_id}",
        kind="relay",
        node_id=node_id,
        generation=1,
        state=WorkloadState.READY,
        reported=True,
        ready={"url": f"https://{node_id}:4443", "certificate_sha256": ["ab"]},
        spec={"role": "origin"},
    )


def observed(*nodes: ObservedNode) -> ObservedState:
    return ObservedState(nodes, grant_minter=lambda name, space, put, get, tenant: f"{name}|{space}|{put}|{get}")


def channel(channel_id: str = "ch_1", **other: Any) -> ChannelPlan:
    return replace(
        ChannelPlan(channel_id, "tn_1", Takeover.FIRST_WINS, ProfileName.STANDARD, ("aa",)),
        **other,
    )


def by_name(intents: list[WorkloadIntent]) -> dict[str, WorkloadIntent]:
    assert len({i.name for i in intents}) == len(intents)
    return {intent.name: intent for intent in intents}


def test_every_core_node_has_a_station_that_carries_only_its_channels() -> None:
    state = observed(node("n1", workloads=(origin_on("n1"),)), node("n2"), node("e1", role="edge"))
    channels = [channel(f"ch_{i}", key_sha256=(f"key{i}",)) for i in range(40)]
    intents = by_name(plan_live(channels, state, now=NOW))
    assert set(intents) == {"live.station/n1", "live.station/n2"}
    carried = [{c["channel_id"] for c in intents[f"live.station/{n}"].spec["channels"]} for n in ("n1", "n2")]
    assert carried[0] & carried[1] == set()
    assert carried[0] | carried[1] == {c.channel_id for c in channels}
    assert all(carried)
    first = intents["live.station/n1"].spec["channels"][0]
    assert first["space"] == f"ingest/{first['channel_id']}"
    assert first["grant"] == f"live.station/n1|{first['space']}|('src',)|()"
    assert intents["live.station/n1"].spec["origins"] == [{"url": "https://n1:4443", "certificate_sha256": ["ab"]}]
    assert intents["live.station/n1"].node_id == "n1"


def test_a_transcoder_runs_with_input_and_through_the_hold() -> None:
    state = observed(node("n1"))

    def wanted(plan: ChannelPlan, now: datetime = NOW) -> bool:
        return "live.transcoder/ch_1" in by_name(plan_live([plan], state, now=now))

    assert not wanted(channel())
    assert wanted(channel(input_since=NOW, input_node_id="n1"))
    ended = channel(input_since=NOW, input_node_id="n1", input_ended_at=NOW)
    assert wanted(ended, NOW + HOLD - timedelta(milliseconds=1))
    assert not wanted(ended, NOW + HOLD)


def test_a_standby_runs_along_where_there_is_a_second_core_node() -> None:
    plan = channel(input_since=NOW, input_node_id="n1")

    def transcoders(plan: ChannelPlan, *nodes: ObservedNode) -> dict[str, WorkloadIntent]:
        return {
            name: intent
            for name, intent in by_name(plan_live([plan], observed(*nodes), now=NOW)).items()
            if intent.kind == "live.transcoder"
        }

    both = transcoders(plan, node("n1"), node("n2"))
    first, second = both["live.transcoder/ch_1"], both["live.transcoder/ch_1/standby"]
    assert first.spec["cost"] < second.spec["cost"]
    assert (first.apart_from, second.apart_from) == ((second.name,), (first.name,)), "neither joins the other's node"
    assert {k: v for k, v in first.spec.items() if k not in ("cost", "grant", "ingest")} == {
        k: v for k, v in second.spec.items() if k not in ("cost", "grant", "ingest")
    }
    alone = ["live.transcoder/ch_1"]
    assert list(transcoders(plan, node("n1"))) == alone
    assert list(transcoders(plan, node("n1"), node("n2", state=NodeState.DEAD))) == alone
    assert list(transcoders(replace(plan, standby=False), node("n1"), node("n2"))) == alone


def test_a_transcoder_is_told_one_channel_and_nothing_else() -> None:
    plan = channel(input_since=NOW, input_node_id="n1", profile=ProfileName.LIGHT)
    intent = by_name(plan_live([plan, channel("ch_2")], observed(node("n1")), now=NOW))["live.transcoder/ch_1"]
    assert intent.tenant_id == "tn_1"
    assert intent.space == intent.spec["space"] == "live/ch_1"
    assert intent.spec["grant"] == "live.transcoder/ch_1|live/ch_1|('live',)|()"
    assert intent.spec["ingest"] == {"space": "ingest/ch_1", "grant": "live.transcoder/ch_1|ingest/ch_1|()|('',)"}
    assert intent.site_role == "core"
    assert "ch_2" not in str(intent.spec)
    assert [r["name"] for r in intent.spec["profile"]["renditions"]] == ["360p", "180p"]
    assert {a["codec"] for a in intent.spec["profile"]["audio"]} == {"aac", "opus"}


def test_a_publisher_keeps_its_home_while_it_sends_even_on_a_draining_node() -> None:
    nodes = [node("n1", draining=True), node("n2"), node("n3")]
    sending = channel(input_since=NOW, input_node_id="n1")

    def carriers(plan: ChannelPlan) -> set[str | None]:
        return {i.node_id for i in plan_live([plan], observed(*nodes), now=NOW) if i.spec.get("channels")}

    assert carriers(sending) == {"n1"}
    assert carriers(replace(sending, input_ended_at=NOW)) < {"n2", "n3"}


def test_a_dead_nodes_channels_move_and_only_those() -> None:
    alive = observed(node("n1"), node("n2"), node("n3"))
    dead = observed(node("n1"), node("n2", state=NodeState.DEAD), node("n3"))
    for i in range(60):
        before, after = home_node(f"ch_{i}", alive), home_node(f"ch_{i}", dead)
        assert before is not None and after is not None
        assert after.id != "n2"
        assert before.id in (after.id, "n2")


def test_nothing_moves_when_every_node_seems_dead() -> None:
    alive = observed(node("n1"), node("n2"))
    blind = observed(node("n1", state=NodeState.DEAD), node("n2", state=NodeState.DEAD))
    for i in range(20):
        assert home_node(f"ch_{i}", alive).id == home_node(f"ch_{i}", blind).id  # type: ignore[union-attr]


def test_a_feeder_sits_beside_its_station_with_the_key() -> None:
    plan = channel(feeder=FeederPlan("sky_pub_x", 640, 360, 30))
    intent = by_name(plan_live([plan], observed(node("n1")), now=NOW, rtmp_port=2935))["live.feeder/ch_1"]
    assert intent.node_id == "n1"
    assert intent.spec == {
        "rtmp_url": "rtmp://127.0.0.1:2935/live",
        "key": "sky_pub_x",
        "width": 640,
        "height": 360,
        "fps": 30,
    }


def test_the_rtmp_address_is_the_stations_own() -> None:
    station = replace(origin_on("n1"), name="live.station/n1", kind="live.station", ready={"rtmp_port": 40001})
    six = node("n1", address="::1", workloads=(station,))
    assert rtmp_url(six, observed(six)) == "rtmp://[::1]:40001/live"


def test_the_same_moment_gives_the_same_plan_in_any_order_of_rows() -> None:
    state = observed(node("n1"), node("n2"))
    channels = [channel(f"ch_{i}", key_sha256=("b", "a"), input_since=NOW, input_node_id="n1") for i in range(9)]
    assert by_name(plan_live(channels, state, now=NOW)) == by_name(plan_live(channels[::-1], state, now=NOW))


def test_no_core_node_no_work_that_needs_one() -> None:
    assert plan_live([channel()], observed(node("e1", role="edge")), now=NOW) == []
