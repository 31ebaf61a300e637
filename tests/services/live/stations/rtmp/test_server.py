"""The port itself, over real sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from skyriver.kernel.errors import WorldBroke
from skyriver.services.live.stations import (
    EndReason,
    Publication,
    Publishing,
    QueueLimits,
    Reception,
    Refusal,
    VideoConfig,
    VideoFrame,
)
from skyriver.services.live.stations.rtmp import Limits, RtmpServer
from tests.services.live.stations.rtmp.doors import Recorder, door, keys, read_to_end, reset_on_close
from tests.services.live.stations.rtmp.wire import (
    HANDSHAKE,
    SLICE,
    ChunkWriter,
    setup,
    video_frame,
    video_header,
    whole_stream,
)


class HandClock:
    """Monotonic time that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


Open = Callable[[RtmpServer, str], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter, ChunkWriter]]]


@pytest.fixture
async def open_publisher() -> AsyncIterator[Open]:
    """Makes connections that have said `publish` and sent their sequence header; they stay open until the test ends."""
    kept: list[asyncio.StreamWriter] = []  # a StreamWriter that nobody holds closes its connection

    async def open_one(server: RtmpServer, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, ChunkWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        kept.append(writer)
        chunks = ChunkWriter()
        writer.write(setup(key, writer=chunks) + chunks.message(9, video_header(), csid=6, stream_id=1))
        return reader, writer, chunks

    yield open_one
    for writer in kept:
        writer.close()


async def test_a_whole_publication() -> None:
    recorder = Recorder()
    async with door(recorder) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(whole_stream())
        publishing, events = await recorder.done.get()
        assert publishing.ended is not None
        assert publishing.ended.reason is EndReason.UNPUBLISHED
        assert sum(isinstance(event, VideoFrame) for event in events) == 6
        writer.close()
        assert b"NetStream.Publish.Start" in await read_to_end(reader)
        assert not server.reception.live


async def test_many_publishers_on_one_port_do_not_mix() -> None:
    channels = [Publication(f"ch_{i}") for i in range(20)]
    recorder = Recorder()
    async with door(recorder, ring=keys(*channels)) as server:
        for i in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(whole_stream(f"key-ch_{i}", chunk_bytes=100 + i))
        ended = [await recorder.done.get() for _ in range(20)]
        assert {publishing.publication.channel_id for publishing, _ in ended} == {f"ch_{i}" for i in range(20)}
        assert all(len(events) == 15 for _, events in ended)


async def test_a_lost_connection_ends_the_publication_as_disconnected(open_publisher: Open) -> None:
    recorder = Recorder()
    async with door(recorder) as server:
        _, writer, _ = await open_publisher(server, "good")
        await recorder.first_event.get()
        writer.transport.abort()
        publishing, _ = await recorder.done.get()
        assert publishing.ended is not None
        assert publishing.ended.reason is EndReason.DISCONNECTED


async def test_refusals_name_no_key_in_logs(open_publisher: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with door(Recorder()) as server:
        reader, _, _ = await open_publisher(server, "a-wrong-key-that-is-secret")
        said = await read_to_end(reader)
    assert b"NetStream.Publish.BadName" in said
    assert b"stream key is not known here" in said
    assert "a-wrong-key-that-is-secret" not in caplog.text + repr([vars(r) for r in caplog.records])
    assert "stream key is not known" in repr([vars(r) for r in caplog.records])


async def test_a_refused_publisher_that_keeps_sending_still_reads_why(open_publisher: Open) -> None:
    """Hanging up on unread bytes would reset the connection and lose the reason."""
    async with door(Recorder()) as server:
        reader, writer, chunks = await open_publisher(server, "wrong")
        frame = chunks.message(9, video_frame(SLICE + bytes(50_000)), csid=6, stream_id=1)
        for _ in range(20):
            writer.write(frame)
            await writer.drain()
        assert b"NetStream.Publish.BadName" in await read_to_end(reader)


async def test_first_publisher_wins(open_publisher: Open) -> None:
    recorder = Recorder()
    async with door(recorder, ring=keys(Publication("ch_1"))) as server:
        await open_publisher(server, "key-ch_1")
        first = await recorder.first_event.get()
        second, _, _ = await open_publisher(server, "key-ch_1")
        assert b"Another encoder is publishing" in await read_to_end(second)
        assert first.ended is None
        assert server.reception.live == (first,)


async def test_a_silent_first_publisher_gives_way(open_publisher: Open) -> None:
    """Its network died, and the same encoder is back before TCP or we have noticed."""
    clock, recorder = HandClock(), Recorder()
    async with door(recorder, ring=keys(Publication("ch_1")), monotonic=clock) as server:
        await open_publisher(server, "key-ch_1")
        first = await recorder.first_event.get()
        clock.now += 4
        await open_publisher(server, "key-ch_1")
        second = await recorder.first_event.get()
        assert first.ended is not None
        assert first.ended.reason is EndReason.REPLACED
        assert server.reception.live == (second,)


async def test_takeover_replaces_and_never_overlaps(open_publisher: Open) -> None:
    running: list[Publishing] = []
    overlaps: list[int] = []
    inner = Recorder()

    async def serve(publishing: Publishing) -> None:
        running.append(publishing)
        overlaps.append(len(running))
        await inner(publishing)
        running.remove(publishing)

    async with door(serve, ring=keys(Publication("ch_1", takeover=True))) as server:
        first_reader, _, _ = await open_publisher(server, "key-ch_1")
        await inner.first_event.get()
        for _ in range(5):
            await open_publisher(server, "key-ch_1")
        for _ in range(5):
            publishing, _ = await inner.done.get()
            assert publishing.ended is not None
            assert publishing.ended.reason is EndReason.REPLACED
        assert b"taken this channel over" in await read_to_end(first_reader)
        assert len(server.reception.live) == 1
        assert set(overlaps) == {1}


async def test_a_revoked_key_ends_its_publication(open_publisher: Open) -> None:
    recorder = Recorder()
    ring = keys(Publication("ch_1"), Publication("ch_2"))
    async with door(recorder, ring=ring) as server:
        reader, _, _ = await open_publisher(server, "key-ch_1")
        await open_publisher(server, "key-ch_2")
        await recorder.first_event.get()
        await recorder.first_event.get()
        ring.replace(
            [(Publication("ch_2"), [p.key_sha256 for p in server.reception.live if p.publication.channel_id == "ch_2"])]
        )
        revoked = Refusal("This stream key was revoked.")
        assert server.reception.recheck(lambda p: None if ring.by_sha256(p.key_sha256) else revoked) == 1
        publishing, _ = await recorder.done.get()
        assert publishing.ended is not None
        assert publishing.ended.reason is EndReason.REVOKED
        assert b"revoked" in await read_to_end(reader)


async def test_back_pressure_reaches_the_publisher_and_memory_stays_bounded(open_publisher: Open) -> None:
    limits = Limits(queue=QueueLimits(size_bytes=1 << 20))
    resume, seen = asyncio.Event(), asyncio.Queue[int]()
    paused: asyncio.Queue[Publishing] = asyncio.Queue()

    async def serve(publishing: Publishing) -> None:
        paused.put_nowait(publishing)
        await resume.wait()
        frames = 0
        async for event in publishing:
            frames += isinstance(event, VideoFrame)
        seen.put_nowait(frames)

    async with door(serve, limits=limits) as server:
        _, writer, chunks = await open_publisher(server, "good")
        publishing = await paused.get()
        frame = chunks.message(9, video_frame(SLICE + bytes(100_000)), csid=6, stream_id=1, most_format=0)

        async def push() -> None:
            for _ in range(400):
                writer.write(frame)
                await writer.drain()
            writer.write(chunks.command("deleteStream", 6, None, 1))
            await writer.drain()

        pushing = asyncio.create_task(push())
        while not publishing.paused:
            await asyncio.wait((pushing,), timeout=0.01)
        assert not pushing.done(), "40 MB do not fit into sockets and a queue of 1 MB"
        assert server.held_bytes < (1 << 20) + 500_000
        resume.set()
        await pushing
        assert await seen.get() == 400, "nothing was dropped"


async def test_a_failing_task_ends_its_own_publication_only(
    open_publisher: Open, caplog: pytest.LogCaptureFixture
) -> None:
    inner = Recorder()

    async def serve(publishing: Publishing) -> None:
        if publishing.publication.channel_id == "ch_1":
            raise ValueError("broken on purpose")
        await inner(publishing)

    async with door(serve, ring=keys(Publication("ch_1"), Publication("ch_2"))) as server:
        reader, _, _ = await open_publisher(server, "key-ch_1")
        assert b"stopped taking this stream" in await read_to_end(reader)
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(whole_stream("key-ch_2"))
        publishing, _ = await inner.done.get()
        assert publishing.ended is not None
        assert publishing.ended.reason is EndReason.UNPUBLISHED
    assert "broken on purpose" in caplog.text


@pytest.mark.parametrize("by_reset", [True, False])
async def test_a_publisher_that_is_gone_when_we_hang_up_harms_nobody(by_reset: bool) -> None:
    """Its end has reached the kernel but not us. Our last words find the socket dissolved, before or after."""
    recorder, chunks = Recorder(), ChunkWriter()
    async with door(recorder, ring=keys(Publication("ch_1"), Publication("ch_2"))) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as gone:
            gone.sendall(setup("key-ch_1", writer=chunks) + chunks.message(9, video_header(), csid=6, stream_id=1))
            publishing = await recorder.first_event.get()
            if by_reset:
                reset_on_close(gone)
            else:
                gone.recv(1 << 20)  # closing with unread bytes would be a reset as well
        publishing.stop("Stopped at the worst moment.")
        _, other = await asyncio.open_connection("127.0.0.1", server.port)
        other.write(whole_stream("key-ch_2"))
        assert (await recorder.done.get())[0] is publishing
        after, _ = await recorder.done.get()
        assert after.ended is not None
        assert after.ended.reason is EndReason.UNPUBLISHED


async def test_connections_are_limited(open_publisher: Open) -> None:
    async with door(Recorder(), limits=Limits(max_connections=2)) as server:
        first, _ = await asyncio.open_connection("127.0.0.1", server.port), None
        await open_publisher(server, "good")
        third, _ = await asyncio.open_connection("127.0.0.1", server.port)
        assert await read_to_end(third) == b""
        assert server.counts["over_limit"] == 1
        first[1].close()


async def test_slow_set_up_and_silence_are_ended(open_publisher: Open) -> None:
    clock, recorder = HandClock(), Recorder()
    async with door(recorder, monotonic=clock) as server:
        slow, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HANDSHAKE[:10])
        silent, _, _ = await open_publisher(server, "good")
        await recorder.first_event.get()
        clock.now += 16
        assert b"has come from this encoder for 15 s" in await read_to_end(silent)
        assert await read_to_end(slow) == b""
        publishing, _ = await recorder.done.get()
        assert publishing.ended is not None
        assert publishing.ended.reason is EndReason.TIMED_OUT


async def test_a_publisher_that_never_reads_is_dropped() -> None:
    async with door(Recorder(), limits=Limits(max_unread_reply_bytes=4096)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        chunks = ChunkWriter()
        writer.write(setup(writer=chunks))
        ping = b"".join(chunks.message(4, b"\0\6abcd", csid=2, most_format=0) for _ in range(4096))
        try:
            while True:
                writer.write(ping)
                await writer.drain()
        except ConnectionError:
            pass
        assert not reader.at_eof()


async def test_stopping_tells_publishers_and_lets_tasks_finish(open_publisher: Open) -> None:
    recorder = Recorder()
    async with door(recorder) as server:
        reader, _, _ = await open_publisher(server, "good")
        await recorder.first_event.get()
    publishing, events = recorder.done.get_nowait()
    assert publishing.ended is not None
    assert publishing.ended.reason is EndReason.STOPPED
    assert isinstance(events[0], VideoConfig)
    assert b"shutting down" in await read_to_end(reader)
    assert server.connections == 0


async def test_a_taken_port_is_said_to_be_taken() -> None:
    async with door(Recorder()) as server:
        second = RtmpServer(Reception(keys(), Recorder()), port=server.port)
        with pytest.raises(WorldBroke, match=f"127.0.0.1:{server.port}") as error:
            await second.open()
        assert error.value.code == "port_taken"
