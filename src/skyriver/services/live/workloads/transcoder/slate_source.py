"""The slate as something that can be shown: a picture at once, and the tenant's film as soon as it is made."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterator
from dataclasses import asdict

from av.error import FFmpegError

from skyriver.fabric import SLOT_US, AudioTrack, Catalog, MediaFrame, VideoTrack, group_of, slot_of
from skyriver.kernel.clock import MediaClock
from skyriver.kernel.errors import SkyriverError
from skyriver.services.live.media.slate import DEFAULT_SIZE, Slate, SlateLook, SlateShape, make_slate
from skyriver.services.live.media_files.confined import run_confined
from skyriver.services.live.media_files.storage import StoredFile
from skyriver.services.live.switching import Feed
from skyriver.services.live.workloads.transcoder.inputs import AUDIO, VIDEO, Listener, Source

FILM_WITHIN_S = 300.0  # a film of a minute takes some ten seconds of an idle core, and this one may be busy
FILM_AGAIN_S = 30.0
_UNREADY_S = 0.1

log = logging.getLogger(__name__)


class SlateSource(Source):
    """The slate, kept ready in the shape of what was shown last. `run` it; it plays while it is wanted.

    Its times are those of this process's media clock, on a grid: a keyframe at each slot, and the place in its round
    is a matter of the slot's number, so that two transcoders whose clocks agree play the same frames. What is played
    changes at slots only.
    """

    def __init__(self, look: SlateLook, film: StoredFile | None, listener: Listener, clock: MediaClock) -> None:
        super().__init__(Feed.SLATE)
        self._look, self._film = look, film
        self._listener = listener
        self._clock = clock
        self._shape = SlateShape(*DEFAULT_SIZE)
        self._slate: Slate | None = None
        self._silence: tuple[bytes, ...] = ()
        """Heard with an input that has no sound: the film's sound belongs to its pictures."""
        self._stale = asyncio.Event()
        self._stale.set()
        self._wanted = asyncio.Event()
        self._pictures_wanted = self._sound_wanted = False
        self._sound_us, self._sound_index = 0.0, 0

    def show(self, look: SlateLook, film: StoredFile | None) -> None:
        """Another picture, name or film."""
        if (look, film) != (self._look, self._film):
            self._look, self._film = look, film
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
            look, film, shape = self._look, self._film, self._shape
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
            self._silence = slate.sound
            self._take(slate)
            if film is not None:
                await self._until_stale(self._keep_trying(film, shape))

    async def _until_stale(self, work: Awaitable[None]) -> None:
        """A film in a shape that nobody wants any more is not finished."""
        making = asyncio.ensure_future(work)
        stale = asyncio.ensure_future(self._stale.wait())
        try:
            await asyncio.wait({making, stale}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (making, stale):
                task.cancel()
            await asyncio.gather(making, stale, return_exceptions=True)
        if not making.cancelled() and (error := making.exception()) is not None:
            log.error("the film is no slate, and its picture stays", exc_info=error)

    async def _keep_trying(self, film: StoredFile, shape: SlateShape) -> None:
        while True:
            try:
                arguments, read = {"shape": asdict(shape)}, film.reader()
                told, blob = await run_confined("film_slate", arguments, film.size_bytes, read, within_s=FILM_WITHIN_S)
                self._take(Slate.unpack(shape, told, blob))
            except (SkyriverError, ValueError, TypeError, KeyError, OSError) as error:
                log.warning("the film is no slate yet, so its picture is shown: %s", error)
                await asyncio.sleep(FILM_AGAIN_S)
            else:
                return

    def _take(self, slate: Slate) -> None:
        self._slate = slate
        self.catalog = _catalog(slate)
        self._listener.described(self)

    async def _play(self) -> None:
        playing: Slate | None = None
        next_us = index = frame_us = 0
        slot = -1
        while True:
            if not self._wanted.is_set():
                playing = None
                await self._wanted.wait()
            now_us = self._clock.now_us()
            if self._slate is None:  # the first moments of a transcoder that starts without an input
                await asyncio.sleep(_UNREADY_S)
                continue
            if playing is None:
                frame_us = 1_000_000 // self._slate.fps
                next_us, slot, self._sound_us = (now_us // frame_us + 1) * frame_us, -1, float(now_us)
            await asyncio.sleep(max(0.0, (next_us - now_us) / 1e6))
            pts_us = next_us
            if playing is None or slot_of(pts_us) > slot:
                playing, slot, index = self._slate, slot_of(pts_us), 0
                frame_us = 1_000_000 // playing.fps
                index_now = round(slot % len(playing.gops) * SLOT_US / (playing.sound_frame_us or 1))
                if abs(index_now - self._sound_index) > 1:  # one more or less is where it began within a frame
                    self._sound_index = index_now
                group = group_of(pts_us)
            next_us += frame_us
            pictures = playing.gops[slot % len(playing.gops)]
            if self._pictures_wanted and index < len(pictures):
                self.age.arrive(pts_us, self._clock.now_us())
                self._listener.picture(self, MediaFrame(pictures[index], pts_us, index == 0, group))
            index += 1
            for frame in self._sound_until(playing, pts_us):
                self._listener.sound(self, frame)

    def _sound_until(self, slate: Slate, pts_us: int) -> Iterator[MediaFrame]:
        frames = slate.sound if self._pictures_wanted else self._silence
        if not slate.sound or not frames or not self._sound_wanted:
            self._sound_us = float(pts_us)
            return
        while self._sound_us < pts_us:
            at_us = round(self._sound_us)
            self._sound_us += slate.sound_frame_us
            sound = frames[self._sound_index % len(frames)]
            self._sound_index += 1
            yield MediaFrame(sound, at_us, True, group_of(slot_of(at_us) * SLOT_US))


def _catalog(slate: Slate) -> Catalog:
    shape = slate.shape
    video = VideoTrack(slate.codec, shape.width, shape.height, float(slate.fps))
    audio = AudioTrack("mp4a.40.2", shape.rate_hz, shape.channels, slate.sound_config)
    return Catalog({VIDEO: video}, {AUDIO: audio} if slate.sound else {})
