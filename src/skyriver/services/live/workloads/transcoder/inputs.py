"""What a transcoder can show, each behind the same face: a channel's inputs here, its slate in `slate_source`."""

from __future__ import annotations

import asyncio
from typing import Protocol

from skyriver.fabric import AudioTrack, Catalog, MediaFrame, Subscriber, VideoTrack
from skyriver.services.live.model import InputName
from skyriver.services.live.switching import Age, Feed, InputMemory

VIDEO, AUDIO = "video", "audio"


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
