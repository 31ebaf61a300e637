"""A channel's `live` broadcast at a real relay: what a transcoder would publish, encoded beforehand and in a loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache

from skyriver.fabric import SLOT_US, AudioTrack, Endpoint, Publisher, VideoTrack
from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.avc import avc3_codec
from skyriver.services.live.media.groups import AudioCutter, GroupCutter
from skyriver.services.live.media.units import Unit
from tests.fabric.rig import SPACE, running, service_grant
from tests.services.live.media import samples

FPS = 30
RENDITIONS = {"source": (640, 360), "180p": (320, 180)}
PAST_US = 3 * SLOT_US


@cache
def video_loop(width: int, height: int) -> tuple[Unit, ...]:
    """One slot of video that begins with a keyframe."""
    return tuple(samples.video(SLOT_US / 1e6, width=width, height=height, fps=FPS, gop=FPS * 2, start_us=0))


@cache
def sound_loop() -> tuple[bytes, tuple[Unit, ...]]:
    """A little more than a slot of AAC, and its configuration."""
    sound = samples.sound(SLOT_US / 1e6 + 0.2, rate_hz=48_000, start_us=0)
    return sound.config, tuple(unit for unit in sound.units if unit.pts_us >= 0)


def sound_at(index: int) -> Unit:
    """The AAC frame that is number `index` of its slot's loop, for ever."""
    _, units = sound_loop()
    return units[index % 93]


class Show:
    """Writes slot after slot. `publish(until_us)` writes every frame that is due by then, once."""

    def __init__(self, publisher: Publisher, begin_us: int, renditions: Sequence[str] = tuple(RENDITIONS)) -> None:
        self._broadcast = broadcast = publisher.broadcast("live")
        self.begin_us = begin_us
        self._videos = {}
        for name in renditions:
            width, height = RENDITIONS[name]
            codec = avc3_codec(video_loop(width, height)[0].payload) or ""
            self._videos[name] = broadcast.video(name, VideoTrack(codec, width, height, FPS, 800_000))
        config, _ = sound_loop()
        self._audio = broadcast.audio("aac", AudioTrack("mp4a.40.2", 48_000, 2, config, 128_000))
        self._cutters = {name: GroupCutter() for name in renditions}
        self._audio_cutter = AudioCutter()
        self._pictures = 0
        self._sounds = 0
        broadcast.announce()

    def withhold(self, name: str) -> None:
        """Take a video track out of the offer, and go on with it."""
        self._broadcast.remove(name)

    def publish(self, until_us: int) -> None:
        while (pts_us := self.begin_us + self._pictures * SLOT_US // (2 * FPS)) <= until_us:
            for name, track in self._videos.items():
                unit = video_loop(*RENDITIONS[name])[self._pictures % (2 * FPS)]
                group = self._cutters[name].cut(pts_us, keyframe=unit.keyframe)
                track.write(unit.payload, pts_us, keyframe=unit.keyframe, group=group)
            self._pictures += 1
        while (pts_us := self.begin_us + self._sounds * 1024_000 // 48) <= until_us:
            group, starts = self._audio_cutter.cut(pts_us)
            self._audio.write(sound_at(self._sounds).payload, pts_us, keyframe=starts, group=group)
            self._sounds += 1


@asynccontextmanager
async def on_air(relay: Endpoint) -> AsyncIterator[Show]:
    """A show that has been on the air for some seconds, and goes on."""
    clock = MediaClock()
    publisher = Publisher([relay], SPACE, lambda: service_grant(SPACE))
    begin_us = (clock.now_us() - PAST_US) // SLOT_US * SLOT_US

    async def play() -> None:
        await publisher.connected()
        show.publish(clock.now_us() - SLOT_US)
        while True:
            show.publish(clock.now_us())
            await asyncio.sleep(0.01)

    show = Show(publisher, begin_us)
    async with running(publisher.run(), play()):
        yield show
