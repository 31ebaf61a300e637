"""From what machines report to alarms and webhooks' events, once, whichever process looks; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from skyriver.platform.alarms import AlarmDesk
from skyriver.platform.alarms.records import AlarmRecord
from skyriver.platform.identity import Principal
from skyriver.platform.store import Store
from skyriver.platform.web import EventHub
from skyriver.platform.webhooks.records import WebhookEventRecord, WebhookRecord
from skyriver.platform.workloads.model import NodeState
from skyriver.services.live.eyes.watching import ChannelEyes
from skyriver.services.live.observe import Live
from skyriver.services.live.service import ChannelDraft, create_channel
from skyriver.services.live.settings import LiveSettings
from tests.services.live.hand_cloud import HandCloud, small_cloud, station, transcoder

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
GOOD = {"black": False, "silent": False, "no_keyframe": False}


class Scene:
    """One channel, two API processes' eyes on it, and clocks that a test turns."""

    def __init__(self, store: Store, tenant: Principal, channel_id: str) -> None:
        self.now, self.seconds = NOON, 0.0
        self.store, self.tenant, self.channel_id = store, tenant, channel_id
        self.hand = HandCloud(small_cloud(station("n1", carries=[channel_id])))
        self.hub = EventHub()
        self.live = Live(store, self.hub, self.hand, LiveSettings(), lambda: self.now)
        self.eyes = [self._eyes() for _ in range(2)]

    def _eyes(self) -> ChannelEyes:
        desk = AlarmDesk(self.store, self.hub, now=lambda: self.now, monotonic=lambda: self.seconds)
        return ChannelEyes(self.store, desk, self.live, self.hub)

    def show(self, states: dict[str, bool] | None, *, publishing: bool = True) -> None:
        """What the machines report from now on; None: the transcoder says nothing of its detectors."""
        worker = transcoder(self.channel_id, "n1")
        if states is not None:
            worker = replace(worker, metrics={**worker.metrics, "detectors": {"states": states}})
        door = station("n1", publishing=[self.channel_id]) if publishing else station("n1", carries=[self.channel_id])
        self.hand.nodes = small_cloud(door, worker)

    async def look(self, *, later_s: float = 1.0) -> None:
        """Let time pass, and everybody look once."""
        self.now += timedelta(seconds=later_s)
        self.seconds += later_s
        await self.live.tick()
        for eyes in self.eyes:
            await eyes.read()
            await eyes.look()

    async def open_kinds(self) -> list[str]:
        async with self.store.session() as session:
            rows = await session.scalars(select(AlarmRecord.kind).where(AlarmRecord.open_key.is_not(None)))
            return sorted(rows)

    async def told(self) -> list[str]:
        async with self.store.session() as session:
            rows = await session.scalars(select(WebhookEventRecord).order_by(WebhookEventRecord.id))
            return [row.type for row in rows if row.type.startswith(("channel.", "input."))]


@pytest.fixture
async def scene(store: Store, alice: Principal) -> Scene:
    async with store.transaction() as session:
        channel, _ = await create_channel(session, alice, ChannelDraft("Stage"))
        session.add(
            WebhookRecord(tenant_id=alice.tenant_id, name="w", url="https://a.test/", event_types=[], secret_sealed=b"")
        )
    return Scene(store, alice, channel.id)


async def test_a_black_picture_is_one_alarm_until_it_is_over(scene: Scene) -> None:
    scene.show(GOOD)
    await scene.look()
    scene.show({**GOOD, "black": True})
    await scene.look()
    assert await scene.open_kinds() == []
    await scene.look(later_s=10)
    assert await scene.open_kinds() == ["black"]
    scene.show(None)  # its transcoder is being restarted
    await scene.look(later_s=60)
    assert await scene.open_kinds() == ["black"]
    scene.show(GOOD)
    await scene.look()
    await scene.look(later_s=6)
    assert await scene.open_kinds() == []


async def test_a_show_is_told_once_by_two_processes_and_after_a_restart(scene: Scene) -> None:
    scene.show(GOOD)
    await scene.look()
    await scene.look()
    assert await scene.told() == ["channel.live"]
    scene.eyes = [scene._eyes()]
    await scene.look()
    scene.show(GOOD, publishing=False)
    await scene.look(later_s=4)
    await scene.look(later_s=6)
    assert await scene.open_kinds() == ["input_lost"]
    await scene.look(later_s=3600)
    await scene.look(later_s=6)
    assert (await scene.open_kinds(), await scene.told()) == ([], ["channel.live", "channel.offline"])


async def test_who_is_deaf_concludes_nothing(scene: Scene) -> None:
    scene.show({**GOOD, "silent": True})
    await scene.look()
    await scene.look(later_s=20)
    before: Any = (await scene.open_kinds(), await scene.told())
    assert before == (["silence"], ["channel.live"])
    scene.hand.nodes = tuple(replace(node, state=NodeState.DEAD, workloads=()) for node in scene.hand.nodes)
    await scene.look(later_s=3600)
    await scene.look(later_s=3600)
    assert (await scene.open_kinds(), await scene.told()) == before


async def test_meters_go_to_the_channels_own_tenant(scene: Scene, bob: Principal) -> None:
    own, other = scene.hub.subscribe(scene.tenant), scene.hub.subscribe(bob)
    scene.show(GOOD)
    await scene.look()
    assert other.waiting == 0
    assert any([b"event: sight" in (await own.next(1.0) or b"") for _ in range(own.waiting)])
