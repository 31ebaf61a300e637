"""What a gate makes of announcements, without any network: two origins and the gate between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from skyriver.fabric import hang, moq
from skyriver.fabric.bridge import DurableBroadcast, Feeder
from skyriver.fabric.grants import Grant
from skyriver.fabric.group_merge import GroupMerge
from skyriver.fabric.space import MAX_BROADCASTS_PER_SESSION, Gate, Space
from tests.fabric.rig import running

G = 900_000_000
INFO = moq.TrackInfo(timescale=1_000_000)


@asynccontextmanager
async def gate(inbox: moq.OriginProducer, target: moq.OriginProducer) -> AsyncIterator[None]:
    tasks: list[asyncio.Future[None]] = []

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        tasks.append(asyncio.ensure_future(work))

    spawn(Gate(inbox.consume(), target, lambda path: path == "live", spawn).run())
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Offer:
    """A broadcast with one frame in its only track; it lasts as long as its handles are held."""

    def __init__(self, inbox: moq.OriginProducer, payload: bytes, pts_us: int, group: int) -> None:
        self.broadcast = inbox.create_broadcast("live")
        self.track = self.broadcast.publish_track("video", INFO)
        self.group = self.track.create_group(group)
        self.group.write_frame(hang.encode_frame(payload, pts_us), pts_us)
        self.broadcast.announce()

    def die(self) -> None:
        """End as a publisher's session ends: everything at once, in the middle of a group."""
        self.track.abort(1)
        self.broadcast.close()


async def test_a_broadcast_that_went_and_came_back_feeds_its_readers_again() -> None:
    inbox, target = moq.new_origin(), moq.new_origin()
    async with gate(inbox, target), asyncio.timeout(20):
        first = Offer(inbox, b"before", 1, G)
        live = await target.consume().announced_broadcast("live")
        track = await moq.subscribe_live(live, "video")
        group = await track.recv_group()
        assert group is not None
        frame = await group.read_frame()
        assert frame is not None and frame.payload.endswith(b"before")
        first.die()
        again = Offer(inbox, b"after", 2, G + 1)
        group = await track.recv_group()
        assert group is not None and group.sequence == G + 1
        frame = await group.read_frame()
        assert frame is not None and frame.payload.endswith(b"after")
        again.die()


async def test_a_track_that_its_publisher_has_not_is_refused_rather_than_waited_for() -> None:
    inbox, target = moq.new_origin(), moq.new_origin()
    async with gate(inbox, target), asyncio.timeout(20):
        offered = Offer(inbox, b"frame", 1, G)
        live = await target.consume().announced_broadcast("live")
        with pytest.raises(moq.Error):
            await (await moq.subscribe_live(live, "sound")).recv_group()
        offered.die()


async def test_a_feeder_that_came_back_unseen_is_subscribed_anew() -> None:
    """The library may show a publisher's end and return as one announcement: nobody detaches, the broadcast is new."""
    inboxes, target = [moq.new_origin(), moq.new_origin()], moq.new_origin()
    offers = [Offer(inboxes[0], b"before", 1, G), Offer(inboxes[1], b"after", 2, G + 1)]
    consumers = [inbox.consume() for inbox in inboxes]
    present = 0

    async def resolve() -> moq.BroadcastConsumer:
        found: moq.BroadcastConsumer = await consumers[present].announced_broadcast("live")
        return found

    durable = DurableBroadcast(target, "live")
    async with running(durable.run()), asyncio.timeout(20):
        await durable.attach(Feeder(resolve, cost=0, order=0))
        track = await moq.subscribe_live(await target.consume().announced_broadcast("live"), "video")
        before = await track.recv_group()
        assert before is not None and before.sequence == G
        assert await before.read_frame() is not None
        present = 1
        offers[0].group.finish()
        offers[0].track.finish()
        offers[0].broadcast.close()
        after = await track.recv_group()
        assert after is not None and after.sequence == G + 1
        assert await after.read_frame() is not None
        offers[1].die()


async def test_a_session_with_all_the_broadcasts_it_may_have_can_still_take_one_back() -> None:
    inbox, target = moq.new_origin(), moq.new_origin()
    refused: asyncio.Queue[str] = asyncio.Queue()
    tasks: list[asyncio.Future[None]] = []

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        tasks.append(asyncio.ensure_future(work))

    durable: dict[str, DurableBroadcast] = {}
    watching = Gate(inbox.consume(), target, lambda path: True, spawn, durable=durable, on_refused=refused.put_nowait)
    spawn(watching.run())
    try:
        async with asyncio.timeout(20):
            offered = [inbox.create_broadcast(f"b{number}") for number in range(MAX_BROADCASTS_PER_SESSION)]
            for broadcast in offered:
                broadcast.announce()
            one_more = inbox.create_broadcast("one-more")
            one_more.announce()
            assert await refused.get() == "one-more"
            offered[0].close()
            fresh = inbox.create_broadcast("fresh")
            fresh.announce()
            await target.consume().announced_broadcast("fresh")
        assert durable["b0"].feeder is None
        assert refused.empty()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_unexpected_fault_while_copying_is_said_and_the_next_feeder_is_heard(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox, target = moq.new_origin(), moq.new_origin()
    whole, faults = GroupMerge.write, [ZeroDivisionError("a fault")]

    def write(merge: GroupMerge, number: int, frame: moq.Frame) -> bool:
        if faults:
            raise faults.pop()
        return whole(merge, number, frame)

    monkeypatch.setattr(GroupMerge, "write", write)
    async with gate(inbox, target), asyncio.timeout(20):
        offered = Offer(inbox, b"frame", 1, G)
        live = await target.consume().announced_broadcast("live")
        track = await moq.subscribe_live(live, "video")
        group = await track.recv_group()
        assert group is not None and group.sequence == G
        offered.die()
    assert "ZeroDivisionError: a fault" in caplog.text


async def test_whoever_comes_back_for_what_he_missed_finds_twenty_seconds_of_a_rich_channel() -> None:
    """A recorder's view of a space: 30 Mbit/s for 20 s; viewers join at the newest group and need no such memory."""
    tasks: list[asyncio.Future[None]] = []
    space = Space("live/ch_1", lambda work: tasks.append(asyncio.ensure_future(work)))
    recorder = Grant("live/ch_1", (), ("live",), datetime.now(UTC), "t.1", cluster=True)
    seen = space.view(recorder)
    broadcast = seen.create_broadcast("rich")
    track = broadcast.publish_track("video", INFO)
    broadcast.announce()
    for number in range(10):
        group = track.create_group(G + number)
        group.write_frame(bytes(7_500_000), number * 2_000_000)
        group.finish()
    consumer = await seen.consume().announced_broadcast("rich")
    assert (await consumer.fetch_group("video", G)).sequence == G
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_comes_after_nobody_has_watched_begins_with_now_and_not_with_what_was_last_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("skyriver.fabric.bridge._IDLE_TRACK_S", 0.05)
    inbox, target = moq.new_origin(), moq.new_origin()
    offered = Offer(inbox, b"then", 1, G)
    consumer = inbox.consume()

    async def resolve() -> moq.BroadcastConsumer:
        found: moq.BroadcastConsumer = await consumer.announced_broadcast("live")
        return found

    durable = DurableBroadcast(target, "live")
    async with running(durable.run()), asyncio.timeout(20):
        await durable.attach(Feeder(resolve, cost=0, order=0))
        track = await moq.subscribe_live(await target.consume().announced_broadcast("live"), "video")
        group = await track.recv_group()
        assert group is not None and group.sequence == G
        serving = set(durable._tracks)
        track.cancel()
        del track, group
        await asyncio.wait(serving)  # nobody has watched for long enough
        offered.group.finish()
        now = offered.track.create_group(G + 100)
        now.write_frame(hang.encode_frame(b"now", 2), 2)
        again = await moq.subscribe_live(await target.consume().announced_broadcast("live"), "video")
        group = await again.recv_group()
        assert group is not None and group.sequence == G + 100
        now.finish()
        offered.die()
