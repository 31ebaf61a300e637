"""Announcements, routes and prices: what makes gates necessary. `fabric/space.py`, `bridge.py`, `uplink.py`."""

from __future__ import annotations

import moq
import pytest

from tests.contract.rig import Announcements, Source, dial, door, next_payload, origin, relay, subscribe


async def test_on_a_shared_origin_whoever_is_cheaper_has_the_path() -> None:
    """Why `Gate` gives each publisher an inbox of its own."""
    teacher, thief = Source("teacher", cost=9), Source("thief", cost=0)
    async with relay() as running, dial(running, publish=teacher.origin), dial(running) as viewer:
        teacher.write(1)
        assert await next_payload(await subscribe(viewer)) == "teacher1"
        told = Announcements(running.origin.consume())
        assert await told.next() == ("live", True, 10)
        async with dial(running, publish=thief.origin), dial(running) as late:
            assert await told.next() == ("live", True, 1)
            thief.write(1)
            assert await next_payload(await subscribe(late)) == "thief1"


async def test_a_request_without_a_consume_origin_publishes_into_the_servers() -> None:
    """Why `Relay._open` sets both sides of every request."""
    shared, intruder = origin(), Source("intruder")
    async with door(shared) as plain, dial(plain, publish=intruder.origin):
        request = await anext(plain.server)
        request.set_publish(origin())
        session = await request.accept()
        assert (await Announcements(shared.consume()).next())[0] == "live"
        session.shutdown()


async def test_a_read_only_session_sees_the_space_and_leaves_nothing_in_it() -> None:
    """`Relay._open`: the space to read, a private inbox to write."""
    space, inbox, shared = Source("space"), origin(), origin()
    intruder = Source("intruder", path="intruder")
    async with door(shared) as plain, dial(plain, publish=intruder.origin) as client:
        request = await anext(plain.server)
        request.set_publish(space.origin)
        request.set_consume(inbox)
        session = await request.accept()
        assert (await Announcements(inbox.consume()).next())[0] == "intruder"
        space.write(1)
        assert await next_payload(await subscribe(client)) == "space1"
        for untouched in (space.origin, shared):
            with pytest.raises(moq.Error):
                await untouched.consume().request_broadcast("intruder")
        session.shutdown()


async def test_an_origin_is_offered_to_each_session_it_is_given_to() -> None:
    """`Publisher` writes a frame once for all its relays; `Uplink` gives the same origin to each new session."""
    source = Source("s")
    async with relay() as one, relay() as two, dial(one, publish=source.origin), dial(two, publish=source.origin):
        source.write(1)
        async with dial(one) as first, dial(two) as second:
            assert [await next_payload(await subscribe(viewer)) for viewer in (first, second)] == ["s1", "s1"]
        async with dial(two, publish=source.origin), dial(one) as later:
            assert await next_payload(await subscribe(later)) == "s1"


async def test_dropping_the_last_handle_ends_a_broadcast() -> None:
    """`fabric.Broadcast` and `DurableBroadcast` hold their producer for as long as they live."""
    mine = origin()
    broadcast = mine.create_broadcast("live")
    broadcast.announce()
    told = Announcements(mine.consume())
    assert await told.next() == ("live", True, 0)
    del broadcast
    assert await told.next() == ("live", False, 0)


async def test_a_broadcast_is_unreachable_until_it_is_announced() -> None:
    """`fabric.Broadcast.announce` comes after the tracks; a request does not wait, `announced_broadcast` does."""
    mine = origin()
    broadcast = mine.create_broadcast("live")
    with pytest.raises(moq.Error):
        await mine.consume().request_broadcast("live")
    broadcast.announce()
    await mine.consume().request_broadcast("live")
    await mine.consume().announced_broadcast("live")


async def test_a_new_price_waits_and_a_new_name_does_not() -> None:
    """`Poke` announces and retracts names instead of re-pricing one."""
    mine = origin()
    early, late = mine.create_broadcast("early"), mine.create_broadcast("late")
    async with relay() as running, dial(running, publish=mine):
        told = Announcements(running.origin.consume())
        early.announce(moq.Route(cost=5))
        assert await told.next() == ("early", True, 6), "each hop adds one"
        early.announce(moq.Route(cost=3))
        late.announce()
        assert await told.next() == ("late", True, 1)
        assert await told.next() == ("early", True, 4)


async def test_who_returns_dearer_waits_and_who_returns_at_the_old_price_does_not() -> None:
    """A broadcast that is retracted and announced again above its old price stays unseen for a while (two seconds).

    `fabric.Broadcast.announce(cost=...)`: whoever steps back to being a spare should re-price, not withdraw and return.
    """
    mine = origin()
    same, dearer, late = (mine.create_broadcast(name) for name in ("same", "dearer", "late"))
    async with relay() as running, dial(running, publish=mine):
        told = Announcements(running.origin.consume())
        for broadcast in (same, dearer):
            broadcast.announce()
        assert {(await told.next())[:2] for _ in range(2)} == {("same", True), ("dearer", True)}
        for broadcast in (same, dearer):
            broadcast.unannounce()
        assert {(await told.next())[:2] for _ in range(2)} == {("same", False), ("dearer", False)}
        dearer.announce(moq.Route(cost=7))
        same.announce()
        late.announce()
        assert {(await told.next())[:2] for _ in range(2)} == {("same", True), ("late", True)}
        assert await told.next() == ("dearer", True, 8)


async def test_a_broadcast_replaced_within_a_session_goes_on_in_the_same_subscription() -> None:
    """`Gate` keeps its feeder when a path is announced again at the same price: its consumer finds the successor.

    Only while the predecessor stays open: closing it at that moment leaves about half of the subscriptions with it.
    """
    mine = origin()
    old = mine.create_broadcast("live")
    old_track = old.publish_track("video")
    old.announce()
    async with relay() as running, dial(running, publish=mine):
        subscription = await subscribe(running.origin.consume())
        old_track.write_frame(b"old", 0)
        assert await next_payload(subscription) == "old"
        new = mine.create_broadcast("live")
        new_track = new.publish_track("video")
        new.announce()
        new_track.create_group(7).write_frame(b"new", 1)
        assert await next_payload(subscription) == "new"
