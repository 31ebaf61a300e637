"""Tracks and groups: names, numbers, ends. `fabric/bridge.py`, `hang.py`, `publisher.py`, `subscriber.py`."""

from __future__ import annotations

import asyncio
from fractions import Fraction

import av
import moq
import numpy as np
import pytest

from tests.contract.rig import Announcements, Source, dial, next_payload, origin, relay, subscribe


@pytest.mark.parametrize("name", ["catalog", "catalog.json", "catalog.json.z"])
async def test_catalog_names_belong_to_the_library(name: str) -> None:
    """Why `hang.CATALOG_TRACK` is `catalog.hang`: a track of ours under these names cannot be made."""
    broadcast = origin().create_broadcast("live")
    with pytest.raises(moq.Error.Internal, match="duplicate"):
        broadcast.publish_track(name)
    broadcast.publish_track("catalog.hang")


async def test_a_catalog_name_never_reaches_whoever_serves_tracks_on_demand() -> None:
    """`DurableBroadcast` cannot bridge `catalog.json`: a reader of it there waits for ever, without an error."""
    mine = origin()
    broadcast = mine.create_broadcast("live")
    dynamic = broadcast.dynamic()
    broadcast.announce()
    consumer = await mine.consume().announced_broadcast("live")
    reading = asyncio.ensure_future(read_first(consumer, "catalog.json"))
    asking = asyncio.ensure_future(read_first(consumer, "video"))
    request = await dynamic.requested_track()
    assert request.name == "video", "asked for later, and the first that comes"
    track = request.accept()
    track.write_frame(b"frame")
    assert await asking == "frame"
    assert not reading.done()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def read_first(consumer: moq.BroadcastConsumer, track: str) -> str:
    """Subscribe and read one frame."""
    return await next_payload(await consumer.subscribe_track(track))


async def test_a_request_has_its_name_until_it_is_accepted() -> None:
    """`DurableBroadcast._serve_track` reads the name first."""
    mine = origin()
    broadcast = mine.create_broadcast("live")
    dynamic = broadcast.dynamic()
    broadcast.announce()
    consumer = await mine.consume().announced_broadcast("live")
    asking = asyncio.ensure_future(consumer.subscribe_track("video"))
    request = await dynamic.requested_track()
    assert request.name == "video"
    track = request.accept()
    with pytest.raises(moq.Error.Closed):
        _ = request.name
    assert track.name == "video"
    await asking


async def test_a_request_that_is_dropped_is_an_error_for_who_asked() -> None:
    """`DurableBroadcast._serve_track` just returns when the publisher has no such track."""
    mine = origin()
    broadcast = mine.create_broadcast("live")
    dynamic = broadcast.dynamic()
    broadcast.announce()
    async with relay(mine) as running, dial(running) as viewer:
        consumer = await viewer.announced_broadcast("live")
        asking = asyncio.ensure_future(consumer.subscribe_track("nothing"))
        request = await dynamic.requested_track()
        assert not asking.done(), "it waits for as long as the request is held"
        del request
        with pytest.raises(moq.Error.Protocol):
            await asking


async def test_an_unknown_track_is_an_error_at_once() -> None:
    """`Subscriber._raw_frames` asks again after an error; without one it would wait for ever."""
    source = Source("s")
    async with relay(source.origin) as running, dial(running) as viewer:
        consumer = await viewer.announced_broadcast("live")
        with pytest.raises(moq.Error.Protocol) as refused:
            await consumer.subscribe_track("nothing")
        reason = moq.protocol_error(refused.value)
        assert reason is not None and reason.kind == moq.ProtocolKind.NOT_FOUND


async def test_a_group_number_can_be_used_once() -> None:
    """`GroupMerge` and `MediaTrack` open a number once only: this error ends a writer that does not expect it."""
    source = Source("s")
    source.write(5)
    with pytest.raises(moq.Error.Internal, match="duplicate"):
        source.write(5)
    source.write(3)  # an older number is no error: it is sent for whoever waits for it
    source.write(6)


async def test_the_importer_counts_a_group_for_each_keyframe() -> None:
    """Why `fabric.hang` writes frames itself: a second keyframe within a slot takes the next slot's number."""
    broadcast = origin().create_broadcast("live")
    video = broadcast.publish_video(moq.VideoFormat.AVC3, track="video")
    keyframes = black_keyframes(3)
    video.seek(900)
    video.write_frame(keyframes[0], 0)
    video.write_frame(keyframes[1], 1_000_000)
    video.seek(901)
    with pytest.raises(moq.Error.Codec, match="duplicate"):
        video.write_frame(keyframes[2], 2_000_000)


def black_keyframes(count: int) -> list[bytes]:
    """H.264 access units, Annex B, each of them a keyframe with its parameter sets."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width = encoder.height = 64
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "g": "1"}
    found = []
    for number in range(count):
        picture = av.VideoFrame.from_ndarray(np.zeros((96, 64), np.uint8), format="yuv420p")
        picture.pts = number
        found += [bytes(packet) for packet in encoder.encode(picture)]
    return found


async def test_finishing_a_track_ends_its_subscriptions_for_good() -> None:
    """`MediaTrack` and `GroupMerge` never finish a track: a successor could not take over."""
    source = Source("s")
    async with relay() as running, dial(running, publish=source.origin), dial(running) as viewer:
        subscription = await subscribe(viewer)
        source.write(1)
        assert await next_payload(subscription) == "s1"
        source.track.finish()
        assert await subscription.recv_group() is None


async def test_a_closed_broadcast_still_delivers_what_is_subscribed() -> None:
    """`DurableBroadcast.run` closes at its end: only dropping the tracks as well ends its readers, with an error."""
    source = Source("s")
    async with relay() as running, dial(running, publish=source.origin), dial(running) as viewer:
        subscription = await subscribe(viewer)
        source.write(1)
        assert await next_payload(subscription) == "s1"
        told = Announcements(running.origin.consume())
        assert await told.next() == ("live", True, 1)
        source.broadcast.close()
        assert await told.next() == ("live", False, 1)
        source.write(2)
        assert await next_payload(subscription) == "s2"
        del source.track
        with pytest.raises(moq.Error.Protocol):
            await subscription.recv_group()


async def test_a_group_whose_writer_was_dropped_never_ends() -> None:
    """Why `read_groups` leaves a group when a newer one has begun, instead of waiting for its end."""
    source = Source("s")
    async with relay() as running, dial(running, publish=source.origin), dial(running) as viewer:
        subscription = await subscribe(viewer)
        left_open = source.write(1, finish=False)
        group = await subscription.recv_group()
        assert group is not None and await group.read_frame() is not None
        del left_open
        rest = asyncio.ensure_future(group.read_frame())
        source.write(2)
        assert await next_payload(subscription) == "s2"
        assert not rest.done()
        rest.cancel()
        await asyncio.gather(rest, return_exceptions=True)


async def test_a_subscription_is_sent_when_it_is_first_read_and_ends_with_its_cancel() -> None:
    """`MediaTrack.has_subscribers` and `DurableBroadcast._until_stop` act on demand: to subscribe is to read."""
    source = Source("s")
    async with relay() as running, dial(running, publish=source.origin), dial(running) as viewer:
        subscription = await subscribe(viewer)
        wanted = asyncio.ensure_future(source.track.used())
        other = Source("other", path="other")
        async with dial(running, publish=other.origin):
            other.write(1)
            assert await next_payload(await subscribe(viewer, path="other")) == "other1"  # a later subscription passes
        assert not wanted.done() and not source.track.demand().is_used()
        reading = asyncio.ensure_future(subscription.recv_group())
        await wanted
        source.write(1)
        await reading
        assert source.track.demand().is_used()
        subscription.cancel()
        await source.track.unused()
