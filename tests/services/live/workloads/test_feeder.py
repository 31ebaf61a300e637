"""The feeder against our own RTMP door."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from skyriver.kernel.errors import InvalidInput
from skyriver.services.live.media.clock_strip import read_strip
from skyriver.services.live.stations import (
    AudioConfig,
    AudioFrame,
    KeyRing,
    MediaEvent,
    Publication,
    Publishing,
    Reception,
    VideoConfig,
    VideoFrame,
    key_sha256,
)
from skyriver.services.live.stations.rtmp import RtmpServer
from skyriver.services.live.workloads import feeder
from tests.services.live.media import samples
from tests.services.live.workloads.harness import running_process

KEY = "sky_pub_feeder"


class Door:
    """An RTMP server that keeps what it gets."""

    def __init__(self, port: int = 0) -> None:
        keys = KeyRing()
        keys.replace([(Publication("ch_1"), [key_sha256(KEY)])])
        self.server = RtmpServer(Reception(keys, self._serve), port=port)
        self.events: list[MediaEvent] = []
        self.arrived = asyncio.Condition()

    async def _serve(self, publishing: Publishing) -> None:
        async for event in publishing:
            self.events.append(event)
            async with self.arrived:
                self.arrived.notify_all()

    async def pictures(self, count: int) -> list[VideoFrame]:
        async with self.arrived:
            await self.arrived.wait_for(lambda: sum(isinstance(e, VideoFrame) for e in self.events) >= count)
        return [e for e in self.events if isinstance(e, VideoFrame)]


def spec(port: int, **changes: Any) -> dict[str, Any]:
    return {"rtmp_url": f"rtmp://127.0.0.1:{port}/live", "key": KEY, "width": 320, "height": 180, "fps": 30} | changes


async def test_it_pushes_a_readable_picture_and_a_tone(tmp_path: Path) -> None:
    door = Door()
    await door.server.open()
    serving = asyncio.ensure_future(door.server.run())
    async with running_process("live.feeder", spec(door.server.port), tmp_path) as child:
        frames = await door.pictures(75)
        metrics = await child.says("metrics", lambda m: m["connected"])
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)

    video = next(e for e in door.events if isinstance(e, VideoConfig))
    sound = next(e for e in door.events if isinstance(e, AudioConfig))
    assert (video.width, video.height) == (320, 180)
    assert (sound.sample_rate_hz, sound.channels) == (48_000, 1)
    assert sum(isinstance(e, AudioFrame) for e in door.events) > 75
    assert metrics["bitrate_bps"] > 0

    keyframes = [f.pts_ms for f in frames if f.keyframe]
    assert len(keyframes) in (2, 3)  # the first picture, and then one every 2 s
    pictures = samples.decode_video([(f.pts_ms, f.payload) for f in frames])
    shown_ms = [
        read_strip(memoryview(p.planes[0]), p.width, p.height, p.planes[0].line_size) - (p.pts or 0) for p in pictures
    ]
    # Each picture shows when it was drawn, which on a loaded machine is a little after it was due.
    assert max(shown_ms) - min(shown_ms) < 500


async def test_it_comes_back_when_the_door_does(tmp_path: Path) -> None:
    first = Door()
    await first.server.open()
    port = first.server.port
    serving = asyncio.ensure_future(first.server.run())
    async with running_process("live.feeder", spec(port), tmp_path):
        await first.pictures(5)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        second = Door(port)
        await second.server.open()
        serving = asyncio.ensure_future(second.server.run())
        assert (await second.pictures(5))[0].keyframe
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_a_new_spec_starts_a_new_push(tmp_path: Path) -> None:
    door = Door()
    await door.server.open()
    serving = asyncio.ensure_future(door.server.run())
    async with running_process("live.feeder", spec(door.server.port), tmp_path) as child:
        await door.pictures(3)
        child.tell("spec", spec=spec(door.server.port, width=640, height=360))
        async with door.arrived:
            await door.arrived.wait_for(lambda: any(isinstance(e, VideoConfig) and e.width == 640 for e in door.events))
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


@pytest.mark.parametrize("changes", [{"width": 321}, {"height": 100}])
def test_an_impossible_picture_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        feeder.FeederSpec.parse(spec(1, **changes))


def test_an_incomplete_spec_is_refused() -> None:
    with pytest.raises(InvalidInput):
        feeder.FeederSpec.parse({"key": KEY})
