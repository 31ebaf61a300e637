"""What a transcoder can show, each behind the same face: the inputs of its channel, and the slate."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Protocol

from av.error import FFmpegError

from skyriver.fabric import SLOT_US, AudioTrack, Catalog, MediaFrame, Subscriber, VideoTrack, group_of, slot_of
from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.slate import DEFAULT_SIZE, FPS, Slate, SlateLook, SlateShape, make_slate
from skyriver.services.live.model import InputName
from skyriver.services.live.switching import Age, Feed, InputMemory

VIDEO, AUDIO = "video", "audio"
_FRAME_US = 1_000_000 // FPS

log = logging.getLogger(__name__)


class Source:
    """One thing that can be shown: how it is described, what it sent last, and how its clock lies."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.catalog = Catalog()
        self.memory = InputMemory()
        self.age = Age()
        self.offset_us = 0
        """Added to its times; set when it is chosen."""

    @property
    def video(self) -> VideoTrack | None:
        return self.catalog.video.get(VIDEO)

    @property
    def audio(self) -> AudioTrack | None:
        return self.catalog.audio.get(AUDIO)

    @property
    def written_age_us(self) -> int | None:
        """How old its frames are as they are written."""
        youngest_us = self.age.youngest_us
        return None if youngest_us is None else youngest_us - self.offset_us


class Listener(Protocol):
    """Who is told what comes, in the event loop."""

    def described(self, source: Source) -> None:
        """The source is described, or described anew."""
        ...

    def picture(self, source: Source, frame: MediaFrame) -> None:
        """A frame of video came. The source's memory does not hold it yet."""
        ...

    def sound(self, source: Source, frame: MediaFrame) -> None:
        """A frame of audio came."""
        ...


class InputReader(Source):
    """One input: a station's broadcast in the ingest space. `run` it."""

    def __init__(self, name: InputName, subscriber: Subscriber, listener: Listener) -> None:
        super().__init__(Feed(name.value))
        self.name = name
        self._subscriber = subscriber
        self._listener = listener
        self._described = asyncio.Event()

    async def run(self) -> None:
        """Follow the broadcast until cancelled; it may begin at any time, and end and begin again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_catalogs())
            tasks.create_task(self._read_video())
            tasks.create_task(self._read_audio())

    async def _read_catalogs(self) -> None:
        async for catalog in self._subscriber.catalogs():
            if catalog.video != self.catalog.video:
                self.memory.forget()
            self.age.forget()  # each publisher is described anew, if only in the same words
            self.catalog = catalog
            self._listener.described(self)
            self._described.set()

    async def _read_video(self) -> None:
        async for frame in self._subscriber.frames(VIDEO):
            await self._described.wait()
            self._listener.picture(self, frame)

    async def _read_audio(self) -> None:
        await self._described.wait()
        async for frame in self._subscriber.frames(AUDIO):
            self._listener.sound(self, frame)


class SlateSource(Source):
    """The slate, kept ready in the shape of what was shown last. `run` it; it plays while it is wanted.

    Its times are those of this process's media clock, on a grid: pictures at tenths of a second, a keyframe at each
    slot, so that two transcoders whose clocks agree play the same frames.
    """

    def __init__(self, look: SlateLook, listener: Listener, clock: MediaClock) -> None:
        super().__init__(Feed.SLATE)
        self._look = look
        self._listener = listener
        self._clock = clock
        self._shape = SlateShape(*DEFAULT_SIZE)
        self._slate: Slate | None = None
        self._stale = asyncio.Event()
        self._stale.set()
        self._wanted = asyncio.Event()
        self._pictures_wanted = self._sound_wanted = False
        self._sound_us = 0.0

    def show(self, look: SlateLook) -> None:
        """Another picture, or another name."""
        if look != self._look:
            self._look = look
            self._stale.set()

    def resemble(self, video: VideoTrack | None, audio: AudioTrack | None) -> None:
        """Be made like this input from now on, so that its renditions go on."""
        shape = SlateShape.like(
            (video.width, video.height) if video and video.width and video.height else DEFAULT_SIZE,
            *((audio.sample_rate_hz, audio.channels) if audio else (0, 0)),
        )
        if shape != self._shape:
            self._shape = shape
            self._stale.set()

    def want(self, *, pictures: bool, sound: bool) -> None:
        """What of it is needed now."""
        self._pictures_wanted, self._sound_wanted = pictures, sound
        if pictures or sound:
            self._wanted.set()
        else:
            self._wanted.clear()

    async def run(self) -> None:
        """Keep the slate ready, and play it while it is wanted."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._prepare())
            tasks.create_task(self._play())

    async def _prepare(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            look, shape = self._look, self._shape
            try:
                slate = await asyncio.to_thread(make_slate, look, shape)
            except (FFmpegError, OSError, ValueError) as error:
                if look.jpeg is None:  # it is the shape: what was made before stays
                    log.warning("no slate could be made in the shape of what is shown: %s", error)
                    continue
                log.warning("the slate's picture could not be used, so the channel's name is shown: %s", error)
                self._look = SlateLook(look.title)
                self._stale.set()
                continue
            self._slate = slate
            self.catalog = _catalog(slate)
            self._listener.described(self)

    async def _play(self) -> None:
        number = gop = index = 0
        slot = -1
        playing = False
        while True:
            if not self._wanted.is_set():
                playing = False
                await self._wanted.wait()
            now_us = self._clock.now_us()
            if not playing:
                playing, number, slot, self._sound_us = True, now_us // _FRAME_US, -1, float(now_us)
            number += 1
            await asyncio.sleep(max(0.0, (number * _FRAME_US - now_us) / 1e6))
            slate = self._slate
            if slate is None:
                continue  # the first moments of a transcoder that starts without an input
            pts_us = number * _FRAME_US
            if slot_of(pts_us) > slot or index >= len(slate.gops[gop]):
                slot, index, gop = slot_of(pts_us), 0, (gop + 1) % len(slate.gops)
                group = group_of(pts_us)
            if self._pictures_wanted:
                self.age.arrive(pts_us, self._clock.now_us())
                self._listener.picture(self, MediaFrame(slate.gops[gop][index], pts_us, index == 0, group))
            index += 1
            for frame in self._silence_until(slate, pts_us):
                self._listener.sound(self, frame)

    def _silence_until(self, slate: Slate, pts_us: int) -> Iterator[MediaFrame]:
        if not slate.silence or not self._sound_wanted:
            self._sound_us = float(pts_us)
            return
        while self._sound_us < pts_us:
            at_us = round(self._sound_us)
            self._sound_us += slate.silence_frame_us
            yield MediaFrame(slate.silence, at_us, True, group_of(slot_of(at_us) * SLOT_US))


def _catalog(slate: Slate) -> Catalog:
    shape = slate.shape
    video = VideoTrack(slate.codec, shape.width, shape.height, float(FPS))
    audio = AudioTrack("mp4a.40.2", shape.rate_hz, shape.channels, slate.silence_config)
    return Catalog({VIDEO: video}, {AUDIO: audio} if slate.silence else {})
