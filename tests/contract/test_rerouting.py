"""What becomes of a subscription at a relay when its upstream goes. `fabric/uplink.py`, `bridge.py`, `viewer.py`.

An edge takes `live` from the relays in front of sources a (cheap) and b (dear); a viewer subscribes at the edge.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import moq
import pytest

from tests.contract.rig import Announcements, Relay, Source, dial, next_payload, origin, relay, subscribe


@dataclass
class Net:
    """Two sources, each behind a relay; an edge connected to the first, or to both; one viewer."""

    a: Source
    b: Source
    core_a: Relay
    core_b: Relay
    edge_origin: moq.OriginProducer
    edge: Relay
    viewer: moq.Client
    uplink_a: moq.Client
    told: Announcements

    async def only_b_is_left(self) -> None:
        """Wait until the edge knows."""
        while await self.told.next() != ("live", True, 11):
            pass

    async def newcomer_gets(self) -> str:
        """What another viewer gets; the first one's own view of the routes lags behind the edge's."""
        async with dial(self.edge) as newcomer:
            return await next_payload(await subscribe(newcomer))


@asynccontextmanager
async def net(*, connect_b: bool = True) -> AsyncIterator[Net]:
    a, b, edge_origin = Source("a"), Source("b", cost=10), origin()
    told = Announcements(edge_origin.consume())
    async with (
        relay(a.origin) as core_a,
        relay(b.origin) as core_b,
        relay(edge_origin) as edge,
        AsyncExitStack() as uplinks,
    ):
        if connect_b:
            await uplinks.enter_async_context(dial(core_b, subscribe=edge_origin))
            assert await told.next() == ("live", True, 11)
        uplink_a = await uplinks.enter_async_context(dial(core_a, subscribe=edge_origin))
        assert await told.next() == ("live", True, 1)
        async with dial(edge) as viewer:
            yield Net(a, b, core_a, core_b, edge_origin, edge, viewer, uplink_a, told)


async def end_upstream(net: Net, by_edge: bool) -> None:
    """End the edge's session to a's relay, from either side."""
    if by_edge:
        assert net.uplink_a.session is not None
        net.uplink_a.session.cancel(1)
    else:
        (await net.core_a.session()).cancel(1)


@pytest.mark.parametrize("by_edge", [True, False], ids=["the edge ends it", "the origin ends it"])
async def test_a_dead_upstream_with_a_spare_is_replaced_within_the_viewers_subscription(by_edge: bool) -> None:
    """`Uplinks`: two upstreams feed one origin, so that viewers of an edge never notice."""
    async with net() as n:
        subscription = await subscribe(n.viewer)
        n.a.write(1)
        n.b.write(1)
        assert await next_payload(subscription) == "a1"
        await end_upstream(n, by_edge)
        await n.only_b_is_left()
        n.b.write(2)
        assert await next_payload(subscription) == "b2"


async def test_a_reader_of_the_origin_itself_gets_an_error_instead() -> None:
    """Why `Subscriber._raw_frames` and `DurableBroadcast._next_upstream` subscribe again: only sessions are moved."""
    async with net() as n:
        subscription = await subscribe(n.edge_origin.consume())
        n.a.write(1)
        assert await next_payload(subscription) == "a1"
        await end_upstream(n, False)
        with pytest.raises(moq.Error):
            await subscription.recv_group()
        await n.only_b_is_left()
        n.b.write(2)
        assert await next_payload(await subscribe(n.edge_origin.consume())) == "b2"


async def test_a_dead_upstream_without_a_spare_ends_the_viewers_subscription() -> None:
    """What comes later is for new subscriptions: players and `Subscriber` must ask again after the error."""
    async with net(connect_b=False) as n:
        subscription = await subscribe(n.viewer)
        n.a.write(1)
        assert await next_payload(subscription) == "a1"
        await end_upstream(n, False)
        with pytest.raises(moq.Error.Protocol):
            await subscription.recv_group()
        async with dial(n.core_b, subscribe=n.edge_origin):
            await n.only_b_is_left()
            n.b.write(2)
            assert await n.newcomer_gets() == "b2"
            with pytest.raises(moq.Error.Protocol):
                await subscription.recv_group()


async def test_a_withdrawn_route_keeps_the_subscriptions_it_has() -> None:
    """STUCK, case 1: nothing ends and nothing moves while the old publisher holds its track but writes no more.

    `Uplink` closes dead sessions and `fabric.Broadcast` drops its tracks: a withdrawal alone moves nobody.
    """
    async with net() as n:
        subscription = await subscribe(n.viewer)
        n.a.write(1)
        assert await next_payload(subscription) == "a1"
        n.a.broadcast.unannounce()
        await n.only_b_is_left()
        n.b.write(2)
        assert await n.newcomer_gets() == "b2"
        n.a.write(3)
        assert await next_payload(subscription) == "a3", "b2 never came, and only a can end this wait"
        del n.a.track
        with pytest.raises(moq.Error.Protocol):
            await subscription.recv_group()


async def test_a_cheaper_route_takes_new_subscriptions_only() -> None:
    """`fabric.Broadcast.announce(cost=...)` moves nobody at an edge; at an origin `DurableBroadcast` does it itself."""
    async with net() as n:
        subscription = await subscribe(n.viewer)
        n.a.write(1)
        assert await next_payload(subscription) == "a1"
        n.a.broadcast.announce(moq.Route(cost=20))
        await n.only_b_is_left()
        n.b.write(2)
        assert await n.newcomer_gets() == "b2"
        n.a.write(3)
        assert await next_payload(subscription) == "a3"


async def test_a_successor_that_counts_lower_is_never_heard() -> None:
    """STUCK, case 2: after a change of upstream, groups that are not above the last one are dropped without a word.

    Why media groups are numbered by time on every origin (decision 0007), and why `GroupMerge` shifts what counts from
    zero.
    """
    async with net() as n:
        subscription = await subscribe(n.viewer)
        n.a.write(100)
        assert await next_payload(subscription) == "a100"
        await end_upstream(n, False)
        await n.only_b_is_left()
        for group in (1, 2, 100):
            n.b.write(group)
        waiting = asyncio.ensure_future(next_payload(subscription))
        n.b.write(101)
        assert await waiting == "b101"


async def test_a_successor_without_the_track_ends_the_subscription() -> None:
    """`Subscriber._raw_frames` asks again after the error."""
    a, other, edge_origin = Source("a"), origin(), origin()
    lacking = other.create_broadcast("live")
    lacking.announce(moq.Route(cost=10))
    async with (
        relay(a.origin) as core_a,
        relay(other) as core_b,
        relay(edge_origin) as edge,
        dial(core_b, subscribe=edge_origin),
    ):
        told = Announcements(edge_origin.consume())
        assert await told.next() == ("live", True, 11)
        async with dial(core_a, subscribe=edge_origin):
            assert await told.next() == ("live", True, 1)
            async with dial(edge) as viewer:
                subscription = await subscribe(viewer)
                a.write(1)
                assert await next_payload(subscription) == "a1"
                (await core_a.session()).cancel(1)
                with pytest.raises(moq.Error.Protocol):
                    await subscription.recv_group()


async def test_a_broadcast_is_bound_to_the_route_it_was_resolved_by() -> None:
    """STUCK, case 3, for whoever keeps a handle and tries again: it finds no new track any more, though the path lives.

    `Subscriber._raw_frames` resolves the path anew each time. `Gate` must do so whenever a path is announced again.
    """
    async with net(connect_b=False) as n:
        n.a.write(1)
        n.b.write(1)
        assert n.viewer.session is not None
        own, remote = n.edge_origin.consume(), n.viewer.session.consume()
        seen = Announcements(remote)
        assert await seen.next() == ("live", True, 2)
        handles = [await own.announced_broadcast("live"), await remote.announced_broadcast("live")]
        for handle in handles:
            assert await next_payload(await handle.subscribe_track("video")) == "a1"
        async with dial(n.core_b, subscribe=n.edge_origin):
            await end_upstream(n, False)
            while await seen.next() != ("live", True, 12):
                pass
            for consumer, handle in zip((own, remote), handles, strict=True):
                with pytest.raises(moq.Error.Protocol) as refused:
                    await handle.subscribe_track("video")
                reason = moq.protocol_error(refused.value)
                assert reason is not None and reason.kind == moq.ProtocolKind.UNROUTABLE
                assert await next_payload(await subscribe(consumer)) == "b1"


async def test_a_better_route_that_joins_unbinds_the_broadcasts_of_viewers() -> None:
    """Why `Viewer` and players must resolve the path anew for a further track, even though nothing has failed."""
    async with net(connect_b=False) as n:
        assert n.viewer.session is not None
        n.a.write(1)
        n.a.broadcast.announce(moq.Route(cost=20))
        own, remote = n.edge_origin.consume(), n.viewer.session.consume()
        seen = Announcements(remote)
        while await seen.next() != ("live", True, 22):
            pass
        own_handle, remote_handle = await own.announced_broadcast("live"), await remote.announced_broadcast("live")
        async with dial(n.core_b, subscribe=n.edge_origin):
            while await seen.next() != ("live", True, 12):
                pass
            with pytest.raises(moq.Error.Protocol):
                await remote_handle.subscribe_track("video")
            assert await next_payload(await own_handle.subscribe_track("video")) == "a1"
