"""Where a subscription begins, and what is still sent of an old group. `fabric/subscriber.py`, `moq.subscribe_live`.

In these tests group N begins at N seconds of media time.
"""

from __future__ import annotations

import asyncio

import moq
import pytest

from tests.contract.rig import LONG_US, Source, dial, next_payload, origin, payloads_until, relay, subscribe

GROUPS = range(10, 15)


def filled(track_max_age_us: int = LONG_US) -> Source:
    """A source with four complete groups, 10 to 13, and 14 that is still open."""
    source = Source("s", track_max_age_us=track_max_age_us)
    for group in GROUPS:
        source.write(group, finish=group != GROUPS[-1])
    return source


@pytest.mark.parametrize(
    ("max_age_us", "track_max_age_us", "first"),
    [
        (0, LONG_US, 14),
        (1_000, LONG_US, 13),
        (1_000_000, LONG_US, 13),
        (1_001_000, LONG_US, 12),
        (2_000_000, LONG_US, 12),
        (LONG_US, LONG_US, 10),
        (LONG_US, 1_000_000, 13),
        (LONG_US, 0, 14),
    ],
)
async def test_a_subscription_begins_with_all_groups_within_its_and_the_tracks_max_age(
    max_age_us: int, track_max_age_us: int, first: int
) -> None:
    """A group's age: media time from its successor's beginning to the newest group's. Not time on the clock: all of
    this was written at once.

    So any age above zero brings the group before the newest whole; `moq.subscribe_live` asks for zero.
    """
    source = filled(track_max_age_us)
    async with relay(source.origin) as running, dial(running) as viewer:
        subscription = await subscribe(viewer, max_age_us=max_age_us)
        assert sorted(await take(subscription, 15 - first)) == [f"s{n}" for n in range(first, 15)]
        source.write(15)
        assert await next_payload(subscription) == "s15", "nothing older was left to come"


async def take(subscription: moq.TrackConsumer, count: int) -> list[str]:
    """The first frames of the next `count` groups, which over the network come in any order."""
    return [await next_payload(subscription) for _ in range(count)]


async def test_asking_for_no_age_and_raising_it_later_begins_at_the_newest_group_only() -> None:
    """`moq.subscribe_live` and `be_patient`; raising it before the first group has come would bring old ones."""
    source = filled()
    async with relay(source.origin) as running, dial(running) as viewer:
        subscription = await subscribe(viewer, max_age_us=0)
        assert await next_payload(subscription) == "s14"
        subscription.update(moq.Subscription(max_age_us=LONG_US))
        source.write(15)
        assert await next_payload(subscription) == "s15"


async def test_a_first_group_bounds_from_below_and_asks_for_nothing_older() -> None:
    """`group_start` never brings what is too old; above the newest group it waits for that number."""
    source = filled()
    async with relay(source.origin) as running, dial(running) as viewer:
        broadcast = await viewer.announced_broadcast("live")
        low = await broadcast.subscribe_track("video", moq.Subscription(group_start=10))
        high = await broadcast.subscribe_track("video", moq.Subscription(group_start=17, max_age_us=LONG_US))
        assert await next_payload(low) == "s14"
        waiting = asyncio.ensure_future(next_payload(high))
        for group in (15, 16, 17):
            source.write(group)
        assert await waiting == "s17"


async def test_a_relay_holds_what_its_first_subscriber_asked_for() -> None:
    """An edge's cache begins with its first viewer's subscription; a later one that allows more age gets no more."""
    source = filled()
    edge_origin = origin()
    async with (
        relay(source.origin) as core,
        relay(edge_origin) as edge,
        dial(core, subscribe=edge_origin),
        dial(edge) as early,
        dial(edge) as late,
    ):
        first = await subscribe(early, max_age_us=0)
        assert await next_payload(first) == "s14"
        second = await subscribe(late, max_age_us=LONG_US)
        assert await next_payload(second) == "s14"
        source.write(15)
        assert await next_payload(second) == "s15"


async def test_a_group_that_is_too_old_ends_as_if_it_were_complete() -> None:
    """`read_groups` and `DurableBroadcast._copy_group` cannot tell a group cut short from a whole one: no error comes.

    Only over a session: who reads its own origin gets the rest of old groups too.
    """
    source = Source("s")
    async with relay(source.origin) as running, dial(running) as one, dial(running) as other:
        strict, patient = await subscribe(one, max_age_us=0), await subscribe(other, max_age_us=2_000_000)
        own = await subscribe(source.origin.consume(), max_age_us=0)
        reading = [asyncio.ensure_future(subscription.recv_group()) for subscription in (strict, patient, own)]
        slow = source.write(1, finish=False)
        groups = [group for group in await asyncio.gather(*reading) if group is not None]
        for group in groups:
            assert await group.read_frame() is not None
        source.write(2)
        assert [await next_payload(s) for s in (strict, patient, own)] == ["s2", "s2", "s2"]
        slow.write_frame(b"rest", 1_500_000)
        rests = [await group.read_frame() for group in groups]
        assert [rest and rest.payload for rest in rests] == [None, b"rest", b"rest"]


async def test_past_groups_can_be_fetched_while_the_origins_cache_holds_them() -> None:
    """`moq.new_origin` bounds the cache: the oldest go first, the newest stays."""
    small = moq.OriginProducer(cache_capacity_bytes=1_000_000)
    broadcast = small.create_broadcast("live")
    track = broadcast.publish_track("video")
    broadcast.announce()
    for _ in range(40):
        track.write_frame(bytes(100_000))
    consumer = await small.consume().announced_broadcast("live")
    assert (await consumer.fetch_group("video", 39)).sequence == 39
    with pytest.raises(moq.Error.NotFound):
        await consumer.fetch_group("video", 0)


async def test_groups_come_in_the_order_of_their_arrival() -> None:
    """`Once` and `GroupMerge` sort late groups out themselves: `recv_group` does not."""
    source = Source("s")
    subscription = await subscribe(source.origin.consume(), max_age_us=LONG_US)
    for group in (3, 5, 4):
        source.write(group)
    assert await payloads_until(subscription, "s4") == ["s3", "s5", "s4"]
