"""One channel's transcoding: what comes in, the engine, what goes out."""

from __future__ import annotations

import asyncio

from skyriver.fabric import AudioTrack as CatalogAudio
from skyriver.fabric import Catalog, Publisher, Subscriber
from skyriver.fabric import VideoTrack as CatalogVideo
from skyriver.kernel.child import ChildChannel
from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.avc import plays_in_browsers
from skyriver.services.live.media.detectors import Watch
from skyriver.services.live.media.engine import Engine
from skyriver.services.live.media.units import (
    AudioTrack,
    Encoded,
    Output,
    SoundSource,
    TrackEnded,
    Unit,
    VideoTrack,
)
from skyriver.services.live.model import BROADCAST, InputName, fit_ladder
from skyriver.services.live.workloads.transcoder.output import AAC, OPUS, SOURCE, LiveBroadcast
from skyriver.services.live.workloads.transcoder.report import REPORTED_EVERY_S, metrics
from skyriver.services.live.workloads.transcoder.spec import TranscoderSpec

VIDEO_IN, AUDIO_IN = "video", "audio"
ANNOUNCE_WITHIN_S = 1.0


class Transcoder:
    """One channel's transcoding. `run` it until cancelled."""

    def __init__(self, spec: TranscoderSpec, channel: ChildChannel) -> None:
        self.spec = spec
        self._channel = channel
        self._publisher = Publisher(spec.origins, spec.space, lambda: self.spec.grant)
        self._subscriber = Subscriber(
            spec.origins, spec.ingest_space, lambda: self.spec.ingest_grant, InputName.MAIN.value
        )
        self._live = LiveBroadcast(self._publisher.broadcast(BROADCAST), MediaClock(), cost=spec.cost)
        self._engine: Engine | None = None
        self._watch = Watch(spec.detectors)
        self._source = Catalog()
        self._sound_in = AAC
        """The track that the publisher's own sound is; the engine makes the other one."""
        self._described = asyncio.Event()  # a catalog has come: the engine runs

    def follow(self, spec: TranscoderSpec) -> None:
        """Take over renewed grants and moved relays."""
        moved = set(spec.origins) != set(self.spec.origins)
        self._watch.settings = spec.detectors
        self.spec = spec
        if moved:
            self._publisher.follow(spec.origins)
            self._subscriber.follow(spec.origins)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publisher.run())
                tasks.create_task(self._subscriber.run())
                tasks.create_task(self._read_catalogs())
                tasks.create_task(self._read_video())
                tasks.create_task(self._read_audio())
                tasks.create_task(self._announce_late())
                tasks.create_task(self._report())
                await self._publisher.connected()
                self._channel.emit("ready")
        finally:
            if self._engine is not None:
                await asyncio.to_thread(self._engine.close)

    async def _read_catalogs(self) -> None:
        async for catalog in self._subscriber.catalogs():
            self._on_catalog(catalog)
            self._described.set()

    def _on_catalog(self, catalog: Catalog) -> None:
        video, audio = catalog.video.get(VIDEO_IN), catalog.audio.get(AUDIO_IN)
        if self._engine is None:
            loop = asyncio.get_running_loop()

            def sink(output: Output) -> None:
                loop.call_soon_threadsafe(self._on_output, output)

            self._engine = Engine(
                self.spec.renditions,
                sink,
                opus_bitrate_bps=self.spec.opus_bitrate_bps,
                adaptive_quality=self.spec.adaptive_quality,
                fps=(video.framerate if video else None) or 30.0,
                observer=self._watch,
            )
        expected: list[str] = []
        if video is not None:
            self._engine.configure_video(video.codec)
            if plays_in_browsers(video.codec):
                self._live.video(SOURCE, video)
                expected.append(SOURCE)
            else:
                self._live.remove(SOURCE)
            expected += [r.name for r in fit_ladder(self.spec.renditions, video.width, video.height)]
        if audio is not None:
            before = self._source.audio.get(AUDIO_IN)
            source = SoundSource(audio.codec, audio.description)
            if before is None or SoundSource(before.codec, before.description) != source:
                self._engine.configure_audio(source)
            self._sound_in = OPUS if source.is_opus else AAC
            self._live.audio(self._sound_in, audio)
            expected += [AAC, OPUS]
        elif AUDIO_IN in self._source.audio:
            self._live.remove(AAC)
            self._live.remove(OPUS)
        self._source = catalog
        self._live.expect(expected)

    async def _read_video(self) -> None:
        async for frame in self._subscriber.frames(VIDEO_IN):
            await self._described.wait()
            assert self._engine is not None
            self._live.write(SOURCE, frame.payload, frame.pts_us, keyframe=frame.keyframe, group=frame.group)
            self._watch.unit(len(frame.payload), frame.keyframe)
            self._engine.video(Unit(frame.payload, frame.pts_us, frame.keyframe))

    async def _read_audio(self) -> None:
        await self._described.wait()
        async for frame in self._subscriber.frames(AUDIO_IN):
            assert self._engine is not None
            self._live.write(self._sound_in, frame.payload, frame.pts_us, keyframe=True, group=frame.group)
            self._engine.audio(Unit(frame.payload, frame.pts_us, True))

    def _on_output(self, output: Output) -> None:
        match output:
            case Encoded(track, payload, pts_us, keyframe, group):
                self._live.write(track, payload, pts_us, keyframe=keyframe, group=group)
            case VideoTrack(track, codec, width, height, bitrate_bps):
                source = self._source.video.get(VIDEO_IN)
                framerate = source.framerate if source else None
                self._live.video(track, CatalogVideo(codec, width, height, framerate, bitrate_bps))
            case AudioTrack(track, codec, rate_hz, channels, init, bitrate_bps):
                self._live.audio(track, CatalogAudio(codec, rate_hz, channels, init, bitrate_bps))
            case TrackEnded(track):
                self._live.remove(track)

    async def _announce_late(self) -> None:
        await self._described.wait()
        await asyncio.sleep(ANNOUNCE_WITHIN_S)
        self._live.announce()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORTED_EVERY_S)
            self._channel.emit("metrics", **metrics(self._live, self._engine), detectors=self._watch.report())
