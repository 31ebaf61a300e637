"""A thousand and more malformed connections over real sockets, then a real publisher."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import shutil

import pytest

from skyriver.services.live.stations import EndReason, Publication
from skyriver.services.live.stations.rtmp import Limits, RtmpServer
from tests.services.live.stations.rtmp.doors import Recorder, door, ffmpeg_push, keys, read_to_end, reset_on_close
from tests.services.live.stations.rtmp.malformed import malformed
from tests.services.live.stations.rtmp.wire import whole_stream

CONNECTIONS = 1200
AT_ONCE = 40
SEED = int(os.environ.get("SKYRIVER_FUZZ_SEED", "20240607"))


async def attack(server: RtmpServer, rng: random.Random, good_key: str) -> None:
    data = malformed(rng, good_key)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for at in range(0, len(data), step := rng.choice((1 << 20, 700, 97 if len(data) < 5000 else 997))):
            writer.write(data[at : at + step])
            await writer.drain()
        if rng.random() < 0.2:
            reset_on_close(writer.get_extra_info("socket"))  # the rude way
            writer.transport.abort()
        else:
            writer.write_eof()
            await read_to_end(reader)
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_a_thousand_malformed_connections(caplog: pytest.LogCaptureFixture) -> None:
    print(f"seed {SEED} (SKYRIVER_FUZZ_SEED)")
    recorder = Recorder()
    channels = [Publication(f"ch_{i}") for i in range(AT_ONCE)]  # one each, or most would only meet "busy"
    async with door(recorder, ring=keys(*channels), limits=Limits(max_connections=AT_ONCE * 4)) as server:
        worst_held = 0
        memory_kib: list[int] = []
        numbers = iter(range(CONNECTIONS))

        async def attacker(good_key: str) -> None:
            nonlocal worst_held
            for number in numbers:
                await attack(server, random.Random(SEED * 100_000 + number), good_key)
                worst_held = max(worst_held, server.held_bytes)
                if number % 300 == 299:
                    memory_kib.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

        async with asyncio.TaskGroup() as group:
            for channel in channels:
                group.create_task(attacker(f"key-{channel.channel_id}"))
        async with asyncio.timeout(20):
            while server.connections:  # noqa: ASYNC110  the last ones left rudely; a turn of the loop lets them be seen
                await asyncio.sleep(0)

        assert server.counts["accepted"] > CONNECTIONS / 10, "the fuzzer gets past the door"
        assert worst_held < AT_ONCE * 200_000
        assert memory_kib[-1] - memory_kib[0] < 30_000, f"the peak went on growing: {memory_kib}"
        assert not [record for record in caplog.records if record.exc_info], "no traceback for anybody's garbage"

        recorder.done = asyncio.Queue()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(whole_stream("key-ch_0"))
        publishing, events = await recorder.done.get()
        assert publishing.ended is not None
        assert publishing.ended.reason is EndReason.UNPUBLISHED
        assert len(events) == 15
        writer.close()
        if shutil.which("ffmpeg"):
            status, told = await ffmpeg_push(f"rtmp://127.0.0.1:{server.port}/live/key-ch_0", seconds=1)
            assert status == 0, told
            assert len((await recorder.done.get())[1]) > 25
