"""The living part: what it writes down, what it tells whom, and what a restart keeps."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from skyriver.platform.identity import Principal
from skyriver.platform.store import Store
from skyriver.platform.web import EventHub
from skyriver.platform.workloads import ObservedState
from skyriver.platform.workloads.hearing import WorkloadEvent
from skyriver.services.live import service
from skyriver.services.live.intents import plan_live, read_plans
from skyriver.services.live.life import hold_of
from skyriver.services.live.model import HOLD, SLATE_MINUTES, ChannelState
from skyriver.services.live.observe import Live
from skyriver.services.live.records import InputRecord
from skyriver.services.live.service import ChannelDraft
from skyriver.services.live.settings import LiveSettings
from tests.services.live.hand_cloud import HandCloud, small_cloud, station, transcoder

T0 = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOLD_WITH_SLATE = hold_of(SLATE_MINUTES)


class Clock:
    """A wall clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def channel_id(store: Store, alice: Principal) -> str:
    return await make(store, alice)


async def make(store: Store, caller: Principal) -> str:
    async with store.transaction() as session:
        channel, _ = await service.create_channel(session, caller, ChannelDraft("Show"))
        return channel.id


def said(channel_id: str, state: str, **other: Any) -> WorkloadEvent:
    """An event of the station on n1, which carries the channel."""
    body = {"event": "input", "channel_id": channel_id, "state": state, **other}
    return WorkloadEvent(station("n1", carries=[channel_id]), body, 0.0)


async def wanted(store: Store, hand: HandCloud, now: datetime) -> set[str]:
    """The kinds of work that are wanted by what is written down, beside what serves all channels."""
    async with store.session() as session:
        plans = await read_plans(session, lambda _channel_id: None)
    state = ObservedState(hand.nodes, grant_minter=lambda *_: "grant")
    return {intent.kind for intent in plan_live(plans, state, now=now)} - {"live.delivery", "live.whep"}


async def test_a_stations_event_reaches_the_plan_through_the_store(store: Store, channel_id: str, clock: Clock) -> None:
    hand = HandCloud(small_cloud(station("n1", carries=[channel_id])))
    live = Live(store, EventHub(), hand, LiveSettings(), clock)
    assert await wanted(store, hand, T0) == {"live.station"}
    await live.take(said(channel_id, "started"))
    assert hand.plans == 1
    assert await wanted(store, hand, T0) == {"live.station", "live.transcoder"}
    clock.pass_s(60)
    await live.take(said(channel_id, "stopped"))
    async with store.session() as session:
        row = await session.get(InputRecord, (channel_id, "main"))
    assert row is not None
    assert (row.node_id, row.since, row.ended_at) == ("n1", T0, T0 + timedelta(seconds=60))
    assert await wanted(store, hand, clock() + HOLD) == {"live.station", "live.transcoder"}
    assert await wanted(store, hand, clock() + HOLD_WITH_SLATE) == {"live.station"}


async def test_news_that_comes_while_older_news_is_written_is_written_too(
    store: Store, channel_id: str, clock: Clock
) -> None:
    live = Live(store, EventHub(), HandCloud(small_cloud(station("n1", carries=[channel_id]))), LiveSettings(), clock)
    await asyncio.gather(live.take(said(channel_id, "started")), live.take(said(channel_id, "stopped")))
    async with store.session() as session:
        row = await session.get(InputRecord, (channel_id, "main"))
    assert row is not None and row.ended_at == T0
    assert not live._unwritten


async def test_a_republish_in_time_keeps_the_state_and_the_transcoder(
    store: Store, channel_id: str, clock: Clock
) -> None:
    hand = HandCloud(small_cloud(station("n1", publishing=[channel_id]), transcoder(channel_id, "n1")))
    live = Live(store, EventHub(), hand, LiveSettings(), clock)
    await live.take(said(channel_id, "started"))
    await live.tick()
    assert live.seen(channel_id).state is ChannelState.LIVE
    hand.nodes = small_cloud(station("n1", carries=[channel_id]), transcoder(channel_id, "n1", fps=0))
    await live.take(said(channel_id, "stopped"))
    for _ in range(29):
        clock.pass_s(1)
        await live.tick()
        seen = live.seen(channel_id)
        assert (seen.state, seen.input) == (ChannelState.LIVE, None)
    plans = hand.plans
    await live.take(said(channel_id, "started"))
    assert live.seen(channel_id).state is ChannelState.LIVE
    assert live.seen(channel_id).input is not None
    assert await wanted(store, hand, clock()) == {"live.station", "live.transcoder"}
    assert hand.plans > plans


async def test_a_hold_that_ends_has_the_plan_made_anew(store: Store, channel_id: str, clock: Clock) -> None:
    hand = HandCloud(small_cloud(station("n1", carries=[channel_id])))
    live = Live(store, EventHub(), hand, LiveSettings(), clock)
    await live.take(said(channel_id, "started"))
    await live.take(said(channel_id, "stopped"))
    await live.tick()
    plans = hand.plans
    clock.pass_s(HOLD_WITH_SLATE.total_seconds())
    await live.tick()
    assert hand.plans == plans + 1
    assert live.seen(channel_id).state is ChannelState.OFFLINE


async def test_another_process_goes_on_where_this_one_stopped(store: Store, channel_id: str, clock: Clock) -> None:
    hand = HandCloud(small_cloud(station("n1", carries=[channel_id])))
    await Live(store, EventHub(), hand, LiveSettings(), clock).take(said(channel_id, "started"))
    clock.pass_s(5)
    successor = Live(store, EventHub(), hand, LiveSettings(), clock)
    await successor.restore()
    assert successor.seen(channel_id).state is ChannelState.STARTING
    hand.nodes = small_cloud(station("n1", publishing=[channel_id]), transcoder(channel_id, "n1"))
    await successor.tick()
    assert successor.seen(channel_id).since == T0
    assert successor.seen(channel_id).state is ChannelState.LIVE


async def test_a_store_that_is_away_costs_a_delay_and_no_news(
    store: Store, channel_id: str, clock: Clock, tmp_path: Path
) -> None:
    away = Store(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'x.db'}")
    hand = HandCloud(small_cloud(station("n1", carries=[channel_id])))
    live = Live(away, EventHub(), hand, LiveSettings(), clock)
    await live.take(said(channel_id, "started"))
    assert live.seen(channel_id).state is ChannelState.STARTING
    assert hand.plans == 0
    live._store = store  # the store is back
    await live.tick()
    assert await wanted(store, hand, T0) == {"live.station", "live.transcoder"}
    await away.close()


async def test_a_channel_deleted_under_its_publisher_is_let_go(
    store: Store, alice: Principal, channel_id: str, clock: Clock
) -> None:
    hand = HandCloud(small_cloud(station("n1", carries=[channel_id])))
    live = Live(store, EventHub(), hand, LiveSettings(), clock)
    async with store.transaction() as session:
        channel = await service.find_channel(session, alice.tenant_id, channel_id)
        await service.delete_channel(session, alice, channel)
    await live.take(said(channel_id, "started"))
    assert await wanted(store, hand, T0) == {"live.station"}


async def read(subscription: Any) -> list[tuple[str, dict[str, Any]]]:
    """The events that wait for a reader."""
    events = []
    while payload := await subscription.next(0):
        name, data = payload.decode().strip().split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


async def test_channel_events_go_to_their_tenant_only(
    store: Store, alice: Principal, bob: Principal, channel_id: str, clock: Clock
) -> None:
    hub = EventHub()
    bobs_id = await make(store, bob)
    hers, his = hub.subscribe(alice), hub.subscribe(bob)
    hand = HandCloud(
        small_cloud(
            station("n1", publishing=[channel_id], carries=[bobs_id]),
            transcoder(channel_id, "n1"),
            viewers_by_space={f"live/{channel_id}": 3},
        )
    )
    live = Live(store, hub, hand, LiveSettings(), clock)
    await live.tick()
    ((name, data),) = await read(hers)
    assert name == "channel"
    publisher = {
        "codec": "avc3.64001f",
        "width": 1280,
        "height": 720,
        "fps": 30.0,
        "bitrate_bps": 4_000_000,
        "audio": "aac",
        "since": T0.isoformat(),
    }
    assert data == {
        "id": channel_id,
        "state": "live",
        "viewers": 3,
        "viewers_by_site": {"site-e2": 3},
        "ingress_bps": 4_000_000,
        "egress_bps": 0,
        "input": publisher,
        "inputs": [{**publisher, "name": "main", "site": "site-n1", "active": False}],
        "input_select": "auto",
        "on_slate": False,
        "pulls": {},
        "destinations": {},
        "latency_ms": {"station": None, "transcode": 12.5},
        "renditions": [{"name": "480p", "bitrate_bps": 1_400_000, "fps": 30.0}],
    }
    assert [data["id"] for _, data in await read(his)] == [bobs_id]
    await live.tick()
    assert [data["id"] for _, data in await read(hers)] == [channel_id]  # every second while it is on
    assert await read(his) == []  # once, until something changes


async def test_a_refused_publisher_is_told_to_the_tenant(
    store: Store, alice: Principal, bob: Principal, channel_id: str, clock: Clock
) -> None:
    hub = EventHub()
    hers, his = hub.subscribe(alice), hub.subscribe(bob)
    hand = HandCloud(small_cloud(station("n1", carries=[channel_id])))
    live = Live(store, hub, hand, LiveSettings(), clock)
    await live.take(said(channel_id, "refused", message="Another publisher is live."))
    ((name, data),) = await read(hers)
    assert (name, data["kind"], data["message"]) == ("incident", "publisher_refused", "Another publisher is live.")
    assert await read(his) == []
    assert live.seen(channel_id).state is ChannelState.OFFLINE


async def test_a_switch_is_told_once_in_a_show_and_again_in_the_next(
    store: Store, alice: Principal, channel_id: str, clock: Clock
) -> None:
    hub = EventHub()
    hers = hub.subscribe(alice)
    hand = HandCloud(small_cloud(station("n1", carries=[channel_id]), transcoder(channel_id, "n1")))
    live = Live(store, hub, hand, LiveSettings(), clock)
    works = transcoder(channel_id, "n1")
    body = {"event": "input_switched", "from": "main", "to": "slate", "reason": "lost", "gap_ms": 1000}
    lost = WorkloadEvent(works, body, 0.0)

    async def told() -> list[str]:
        return [data["input"]["to"] for name, data in await read(hers) if name == "incident"]

    await live.take(said(channel_id, "started"))
    await live.tick()
    await live._tell_switch(lost)
    await live._tell_switch(lost)  # the standby says the same
    assert await told() == ["slate"]
    await live.take(said(channel_id, "stopped"))
    hand.nodes = small_cloud(station("n1", carries=[channel_id]), transcoder(channel_id, "n1", fps=0))
    clock.pass_s(HOLD_WITH_SLATE.total_seconds() + 1)
    await live.tick()
    await live._tell_switch(lost)
    assert await told() == ["slate"]


async def test_running_takes_events_and_stops_when_told(store: Store, channel_id: str) -> None:
    hand = HandCloud(small_cloud(station("n1", carries=[channel_id])))
    planned = asyncio.Event()
    hand.kick = planned.set  # type: ignore[method-assign]
    live = Live(store, EventHub(), hand, LiveSettings())
    hand.events.offer(said(channel_id, "started"))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(live.run())
        await planned.wait()
        running.cancel()
    assert live.seen(channel_id).state is ChannelState.STARTING
    assert await wanted(store, hand, datetime.now(UTC)) == {"live.station", "live.transcoder"}
