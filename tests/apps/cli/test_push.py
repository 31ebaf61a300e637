"""Files pushed to the real RTMP server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest

from skyriver.apps.cli import pusher
from skyriver.apps.cli.child import Child, child
from skyriver.kernel.errors import InvalidInput, WorldBroke
from skyriver.services.live.stations import (
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

from .clips import write_clip

T = TypeVar("T")
PATIENCE_S = 30.0


@dataclass
class Door:
    """A real RTMP server that keeps what it is sent."""

    url: str = ""
    events: list[MediaEvent] = field(default_factory=list)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    enough_events: int = 1_000_000

    async def serve(self, publishing: Publishing) -> None:
        async for event in publishing:
            self.events.append(event)
            if len(self.events) >= self.enough_events:
                self.enough.set()

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def open_door() -> AsyncIterator[Door]:
    keys = KeyRing()
    keys.replace([(Publication("ch_1"), [key_sha256("good")])])
    door = Door()
    server = RtmpServer(Reception(keys, door.serve), port=0)
    await server.open()
    door.url = f"rtmp://127.0.0.1:{server.port}/live"
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.run())
        yield door
        running.cancel()


@asynccontextmanager
async def pushing(path: Path, url: str, *, loop: bool = False) -> AsyncIterator[Child]:
    async with child("the push", "-m", "skyriver.apps.cli.push_process") as running:
        running.tell("push", path=str(path), url=url, loop=loop)
        yield running


async def push(path: Path, url: str) -> dict[str, Any]:
    async with pushing(path, url) as running:
        return await running.hear("pushed", timeout_s=PATIENCE_S)


async def test_h264_and_aac_go_through_untouched_with_their_b_frames(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    async with open_door() as door:
        pushed = await push(clip, f"{door.url}/good")
    frames = door.of(VideoFrame)
    assert pushed["copied"] == {"video": True, "audio": True}
    assert (door.of(VideoConfig)[0].width, len(frames)) == (320, 25)
    assert any(frame.pts_ms != frame.dts_ms for frame in frames)
    assert len(door.of(AudioFrame)) >= 40


@pytest.mark.parametrize(("name", "video", "audio"), [("clip.avi", "mpeg4", "mp2"), ("clip.mkv", "mpeg4", None)])
async def test_what_does_not_fit_is_transcoded(tmp_path: Path, name: str, video: str, audio: str | None) -> None:
    clip = write_clip(tmp_path / name, video=video, audio=audio, b_frames=0)
    async with open_door() as door:
        pushed = await push(clip, f"{door.url}/good")
    assert not any(pushed["copied"].values())
    assert door.of(VideoConfig)[0].codec.startswith("avc3")
    assert len(door.of(VideoFrame)) >= 24
    assert bool(door.of(AudioFrame)) is (audio is not None)


async def test_a_loop_goes_on_until_it_is_stopped_and_time_never_goes_back(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", seconds=0.4)
    async with open_door() as door:
        door.enough_events = 70  # three rounds
        async with pushing(clip, f"{door.url}/good", loop=True):
            await door.enough.wait()
    times_ms = [frame.dts_ms for frame in door.of(VideoFrame)]
    assert times_ms == sorted(times_ms)
    steps_ms = [later - earlier for earlier, later in pairwise(times_ms)]
    assert max(steps_ms) <= 200  # no hole between rounds that a player would notice


async def test_a_wrong_key_is_refused_in_plain_words(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    async with open_door() as door:
        with pytest.raises(WorldBroke, match="RTMP door") as caught:
            await push(clip, f"{door.url}/wrong")
    assert caught.value.hint


async def test_nobody_at_the_door(tmp_path: Path) -> None:
    with pytest.raises(WorldBroke, match="did not open"):
        await push(write_clip(tmp_path / "clip.mp4"), "rtmp://127.0.0.1:1/live/good")


@pytest.mark.parametrize("content", [b"", b"This is no film." * 100])
def test_a_file_that_is_no_film(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"x\.mp4"):
        pusher.duration_s(tmp_path / "x.mp4")


def test_sound_alone_is_no_channel(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "song.m4a", video=None)
    with pytest.raises(InvalidInput, match="no video"):
        pusher.duration_s(clip)


def test_the_pace_is_that_of_the_clock() -> None:
    stop, now_s = threading.Event(), [100.0]
    pace = pusher.Pace(stop, lambda: now_s[0])
    assert pace.hold(5.0)  # the first packet sets the start, wherever its file begins
    now_s[0] = 110.0
    assert pace.hold(14.9)  # a sender that is late does not wait
    stop.set()
    assert not pace.hold(16.0)
