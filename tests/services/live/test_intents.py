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
from skyriver.services.live.intents import (
    ChannelPlan,
    Doors,
    FeederPlan,
    InputPlan,
    backup_node,
    home_node,
    plan_live,
    rtmp_url,
)
from skyriver.services.live.life import Presence, hold_of
from skyriver.services.live.model import HOLD, InputName, ProfileName, Takeover
from skyriver.services.live.workloads.transcoder.spec import TranscoderSpec

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
    inputs = {InputName.MAIN: InputPlan(("aa",)), InputName.BACKUP: InputPlan(("bb",))}
    return replace(ChannelPlan(channel_id, "tn_1", Takeover.FIRST_WINS, ProfileName.STANDARD, inputs), **other)


def sending(node_id: str, channel_id: str = "ch_1", ended_at: datetime | None = None, **other: Any) -> ChannelPlan:
    """A channel whose main publisher is, or was, at the station of a node."""
    main = InputPlan(("aa",), presence=Presence(NOW, ended_at), node_id=node_id)
    return channel(channel_id, inputs={InputName.MAIN: main, InputName.BACKUP: InputPlan(("bb",))}, **other)


def by_name(intents: list[WorkloadIntent]) -> dict[str, WorkloadIntent]:
    assert len({i.name for i in intents}) == len(intents)
    return {intent.name: intent for intent in intents}


def test_every_core_node_has_a_station_that_carries_only_its_channels() -> None:
    state = observed(node("n1", workloads=(origin_on("n1"),)), node("n2"), node("e1", role="edge"))
    channels = [channel(f"ch_{i}") for i in range(40)]
    intents = by_name(plan_live(channels, state, now=NOW))
    stations, doors_out = {"live.station/n1", "live.station/n2"}, {"live.delivery/e1", "live.whep/n1", "live.whep/n2"}
    assert set(intents) == stations | doors_out
    carried = [
        {(c["channel_id"], c["input"]) for c in intents[f"live.station/{n}"].spec["channels"]} for n in ("n1", "n2")
    ]
    assert carried[0] & carried[1] == set()
    assert carried[0] | carried[1] == {(c.channel_id, name) for c in channels for name in InputName}
    assert all(carried)
    for one in carried:
        assert len({channel_id for channel_id, _ in one}) == 40, "the inputs of a channel are on different nodes"
    first = intents["live.station/n1"].spec["channels"][0]
    assert first["space"] == f"ingest/{first['channel_id']}"
    assert first["grant"] == f"live.station/n1|{first['space']}|('{first['input']}',)|()"
    assert first["key_sha256"] == {"main": ["aa"], "backup": ["bb"]}[first["input"]]
    assert intents["live.station/n1"].spec["origins"] == [{"url": "https://n1:4443", "certificate_sha256": ["ab"]}]
    assert intents["live.station/n1"].node_id == "n1"


def test_a_transcoder_runs_with_input_and_through_the_hold() -> None:
    state = observed(node("n1"))

    def wanted(plan: ChannelPlan, now: datetime = NOW) -> bool:
        return "live.transcoder/ch_1" in by_name(plan_live([plan], state, now=now))

    assert not wanted(channel())
    assert wanted(sending("n1"))
    ended = sending("n1", ended_at=NOW)
    hold = hold_of(ended.switch.slate_minutes)
    assert hold > HOLD, "a slate is shown for longer"
    assert wanted(ended, NOW + hold - timedelta(milliseconds=1))
    assert not wanted(ended, NOW + hold)
    without_slate = replace(ended, switch=replace(ended.switch, slate_minutes=0))
    assert wanted(without_slate, NOW + HOLD - timedelta(milliseconds=1))
    assert not wanted(without_slate, NOW + HOLD)


def test_a_standby_runs_along_where_there_is_a_second_core_node() -> None:
    plan = sending("n1")

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
    own = {"cost", "grant", "ingest", "detectors"}
    assert {k: v for k, v in first.spec.items() if k not in own} == {
        k: v for k, v in second.spec.items() if k not in own
    }, "the same work"
    alone = ["live.transcoder/ch_1"]
    assert list(transcoders(plan, node("n1"))) == alone
    assert list(transcoders(plan, node("n1"), node("n2", state=NodeState.DEAD))) == alone
    assert list(transcoders(replace(plan, standby=False), node("n1"), node("n2"))) == alone


def test_a_transcoder_is_told_what_another_one_shows_and_how_far_its_times_are_moved() -> None:
    def working(name: str, node_id: str, **metrics: Any) -> ObservedWorkload:
        return replace(origin_on(node_id), kind="live.transcoder", name=name, id=f"wl_{name}", metrics=metrics)

    moved = {"active": "backup", "inputs": {"backup": {"health": "well", "offset_ms": 9750}}}
    nodes = (
        node("n1", workloads=(working("live.transcoder/ch_1", "n1"),)),  # it has just been started anew
        node("n2", workloads=(working("live.transcoder/ch_1/standby", "n2", **moved),)),
    )
    spec = by_name(plan_live([sending("n1")], observed(*nodes), now=NOW))["live.transcoder/ch_1"].spec
    assert (spec["inputs"]["last"], spec["inputs"]["last_offset_ms"]) == ("backup", 9750)
    read = TranscoderSpec.parse(dict(spec))
    assert (read.last, read.last_offset_us) == (InputName.BACKUP, 9_750_000)
    fresh = by_name(plan_live([sending("n1")], observed(node("n1")), now=NOW))["live.transcoder/ch_1"].spec
    assert (fresh["inputs"]["last"], fresh["inputs"]["last_offset_ms"]) == (None, 0)


def test_a_transcoder_is_told_one_channel_and_nothing_else() -> None:
    plan = sending("n1", profile=ProfileName.LIGHT)
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

    def carriers(plan: ChannelPlan) -> set[str | None]:
        intents = plan_live([plan], observed(*nodes), now=NOW)
        return {i.node_id for i in intents for c in i.spec.get("channels", ()) if c["input"] == "main"}

    assert carriers(sending("n1")) == {"n1"}
    assert carriers(sending("n1", ended_at=NOW)) < {"n2", "n3"}


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
    intent = by_name(plan_live([plan], observed(node("n1")), now=NOW, doors=Doors(rtmp_port=2935)))["live.feeder/ch_1"]
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
    assert rtmp_url(six, observed(six), Doors()) == "rtmp://[::1]:40001/live"


def test_the_same_moment_gives_the_same_plan_in_any_order_of_rows() -> None:
    state = observed(node("n1"), node("n2"))
    channels = [sending("n1", f"ch_{i}") for i in range(9)]
    assert by_name(plan_live(channels, state, now=NOW)) == by_name(plan_live(channels[::-1], state, now=NOW))


def test_no_core_node_no_work_that_needs_one() -> None:
    assert [intent.kind for intent in plan_live([channel()], observed(node("e1", role="edge")), now=NOW)] == [
        "live.delivery"
    ]


def test_the_backup_goes_to_another_site_else_to_another_node_else_to_the_same() -> None:
    near = [node("n1"), node("n2")]
    far = [*near, replace(node("n3"), site_id="st_2")]
    for i in range(20):
        for nodes, allowed in ((far, 2), (near, 2), (near[:1], 1)):
            state = observed(*nodes)
            main = home_node(f"ch_{i}", state)
            backup = backup_node(f"ch_{i}", state, main)
            assert main is not None and backup is not None
            assert len({main.id, backup.id}) == allowed
            if nodes is far:
                assert main.site_id != backup.site_id
    alone = node("n1")
    assert backup_node("ch_1", observed(alone, node("n2", state=NodeState.DEAD)), alone) == alone


def test_a_backup_publisher_keeps_its_node_while_it_sends() -> None:
    backup = InputPlan(("bb",), presence=Presence(NOW), node_id="n2")
    main = InputPlan(("aa",), presence=Presence(NOW), node_id="n2")
    plan = channel(inputs={InputName.MAIN: main, InputName.BACKUP: backup})
    intents = by_name(plan_live([plan], observed(node("n1"), node("n2")), now=NOW))
    assert [c["input"] for c in intents["live.station/n2"].spec["channels"]] == ["backup", "main"]
    assert intents["live.station/n1"].spec["channels"] == []


def test_a_station_is_told_of_browsers_that_may_publish_and_reads_only_where_there_are_some() -> None:
    state = observed(node("n1", workloads=(origin_on("n1"),)))
    browsing, quiet = channel("ch_1", tickets=(("pt_1", "main"), ("pt_2", "backup"))), channel("ch_2")
    entries = by_name(plan_live([browsing, quiet], state, now=NOW))["live.station/n1"].spec["channels"]
    told = {(e["channel_id"], e["input"]): e.get("tickets") for e in entries}
    assert told == {
        ("ch_1", "main"): [{"ticket_id": "pt_1", "input": "main"}],
        ("ch_1", "backup"): [{"ticket_id": "pt_2", "input": "backup"}],
        ("ch_2", "main"): None,
        ("ch_2", "backup"): None,
    }
    grants = {e.get("contributions_grant") for e in entries if e["channel_id"] == "ch_1"}
    assert grants == {"live.station/n1|ingest/ch_1|()|('',)"}
