"""One channel's transcoding: its inputs, which of them is shown, the engine, what goes out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from skyriver.fabric import AudioTrack as CatalogAudio
from skyriver.fabric import MediaFrame, Publisher, Subscriber
from skyriver.fabric import VideoTrack as CatalogVideo
from skyriver.kernel.child import ChildChannel
from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.avc import plays_in_browsers
from skyriver.services.live.media.decoder import H264
from skyriver.services.live.media.detectors import Watch
from skyriver.services.live.media.engine import Engine
from skyriver.services.live.media.units import (
    AudioTrack,
    Encoded,
    Output,
    SoundSource,
    Splice,
    TrackCarried,
    TrackEnded,
    Unit,
    VideoTrack,
)
from skyriver.services.live.model import BROADCAST, InputName, fit_ladder
from skyriver.services.live.switching import Feed, InputSelector, Switch, offset_us
from skyriver.services.live.workloads.transcoder.captioning import Captioning
from skyriver.services.live.workloads.transcoder.inputs import InputReader, Source
from skyriver.services.live.workloads.transcoder.output import AAC, OPUS, SOURCE, LiveBroadcast
from skyriver.services.live.workloads.transcoder.passing import SoundPassage, VideoPassage
from skyriver.services.live.workloads.transcoder.report import REPORTED_EVERY_S, input_metrics, metrics
from skyriver.services.live.workloads.transcoder.slate_source import SlateSource
from skyriver.services.live.workloads.transcoder.spec import TranscoderSpec

ANNOUNCE_WITHIN_S = 1.0
LOOK_EVERY_S = 0.05  # how late a lost input may be noticed

log = logging.getLogger(__name__)


class Transcoder:
    """One channel's transcoding. `run` it until cancelled. It is its sources' `Listener`."""

    def __init__(self, spec: TranscoderSpec, channel: ChildChannel) -> None:
        self.spec = spec
        self._channel = channel
        self._clock = MediaClock()
        self._publisher = Publisher(spec.origins, spec.space, lambda: self.spec.grant)
        self._live = LiveBroadcast(self._publisher.broadcast(BROADCAST), self._clock, cost=spec.cost)
        self._captioning = Captioning(self._live)
        self._captioning.follow(spec.captions)
        self._uplink = Subscriber(spec.origins, spec.ingest_space, lambda: self.spec.ingest_grant, Feed.MAIN.value)
        self._inputs = [InputReader(name, self._uplink.beside(name.value), self) for name in InputName]
        self._slate = SlateSource(spec.look, spec.film, self, self._clock)
        self._sources: dict[Feed, Source] = {source.feed: source for source in (*self._inputs, self._slate)}
        self._selector = InputSelector(spec.policy, first=spec.last)
        self._video = VideoPassage(self._live)
        self._sound = SoundPassage(self._live)
        self._sound_track: str | None = None
        """The track that the shown input's own sound is; the engine makes the other one, or both when this is None."""
        self._sound_source: SoundSource | None = None
        self._last_audio: CatalogAudio | None = None
        """The sound of the last input that had some."""
        self._engine: Engine | None = None
        self._watch = Watch(spec.detectors)
        self._begun = asyncio.Event()  # something is shown

    def follow(self, spec: TranscoderSpec) -> None:
        """Take over renewed grants, moved relays, and what is wanted of inputs and slate."""
        moved = set(spec.origins) != set(self.spec.origins)
        self._watch.settings = spec.detectors
        self.spec = spec
        self._captioning.follow(spec.captions)
        self._slate.show(spec.look, spec.film)
        self._selector.follow(spec.policy)
        self._look()
        if moved:
            self._publisher.follow(spec.origins)
            self._uplink.follow(spec.origins)

    def caption(self, command: Mapping[str, Any]) -> None:
        """Write a cue that a captioner sent."""
        self._captioning.take(command)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publisher.run())
                tasks.create_task(self._uplink.run())
                tasks.create_task(self._slate.run())
                for reader in self._inputs:
                    tasks.create_task(reader.run())
                tasks.create_task(self._look_often())
                tasks.create_task(self._announce_late())
                tasks.create_task(self._report())
                await self._publisher.connected()
                self._channel.emit("ready")
        finally:
            if self._engine is not None:
                await asyncio.to_thread(self._engine.close)

    # What sources call.

    def described(self, source: Source) -> None:
        """A source is described, or described anew."""
        self._video.describe(source)
        if source is self._shown or source is self._sounding:
            if source is self._shown and source.video is not None and self._engine is not None:
                self._engine.configure_video(source.video.codec)
            self._offer()

    def picture(self, source: Source, frame: MediaFrame) -> None:
        """A frame of video came."""
        switch = None
        if isinstance(source, InputReader):
            source.memory.picture(frame)
            switch = self._arrive(source, frame)
        remembered = switch is not None and switch.to is source.feed  # and with that taken already
        if not (remembered and switch is not None and switch.was is None):
            self._video.picture(source, frame)
        if source is self._shown and not remembered and self._engine is not None:
            self._watch.unit(len(frame.payload), frame.keyframe)
            self._engine.video(_unit(source, frame))
        self._want_slate()

    def sound(self, source: Source, frame: MediaFrame) -> None:
        """A frame of audio came."""
        if isinstance(source, InputReader):
            source.memory.sound(frame)
            if source.video is None:  # a channel of sound: its frames are all that tells whether it is there
                self._arrive(source, frame)
        if source is self._sounding:
            self._pass_sound(source, frame)

    def _arrive(self, source: InputReader, frame: MediaFrame) -> Switch | None:
        """Something of an input came, and is in its memory; makes, and returns, the change in what is shown."""
        now_us = self._clock.now_us()
        source.age.arrive(frame.pts_us, now_us)
        switch = self._selector.arrive(source.name, frame.pts_us, now_us / 1e6, keyframe=frame.keyframe)
        if switch is not None:
            self._switch(switch)
        return switch

    # Which of them is shown.

    @property
    def _shown(self) -> Source | None:
        return self._sources[self._selector.active] if self._selector.active is not None else None

    @property
    def _sounding(self) -> Source | None:
        """Whose sound is heard. Where there was sound, and what is shown has none, silence goes on."""
        shown = self._shown
        return self._slate if shown is not None and shown.audio is None and self._last_audio is not None else shown

    async def _look_often(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._look()

    def _look(self) -> None:
        if (switch := self._selector.look(self._clock.now_us() / 1e6)) is not None:
            self._switch(switch)

    def _switch(self, switch: Switch) -> None:
        source = self._sources[switch.to]
        before = self._sources[switch.was] if switch.was is not None else None
        if before is not None:
            source.offset_us = offset_us(before.written_age_us, source.age.youngest_us)
        elif self.spec.last is not None and source.feed is Feed(self.spec.last.value):
            source.offset_us = self.spec.last_offset_us  # an earlier transcoder moved it, or the other one has
        engine = self._engine = self._engine or self._new_engine(source.video)
        gop = source.memory.gop
        units = tuple(_unit(source, frame) for frame in gop)
        codec = source.video.codec if source.video else H264
        if before is None:  # nothing was shown: the engine finds the present by itself
            engine.configure_video(codec)
            for unit in units:
                engine.video(unit)
        else:
            engine.splice(Splice(units, codec))
        self._offer()
        self._video.want(source.feed)
        if before is None:
            for frame in gop:
                self._video.picture(source, frame)
        for frame in source.memory.sound_after(self._sound.last_us - source.offset_us):
            self._pass_sound(source, frame)
        self._want_slate()
        self._begun.set()
        self._tell(switch)

    def _tell(self, switch: Switch) -> None:
        if switch.was is None:
            return
        gap_ms = round(switch.silent_s * 1000)
        fields = {"from": switch.was.value, "to": switch.to.value, "reason": switch.reason.value, "gap_ms": gap_ms}
        log.info("another input is shown", extra=fields)
        self._channel.emit("input_switched", channel_id=self.spec.channel_id, **fields)

    def _want_slate(self) -> None:
        """The slate plays while it is shown, and on `source` until the next keyframe of what is shown instead."""
        pictures = Feed.SLATE in (self._selector.active, self._video.feed)
        self._slate.want(pictures=pictures, sound=self._sounding is self._slate)

    # What goes out.

    def _new_engine(self, video: CatalogVideo | None) -> Engine:
        loop = asyncio.get_running_loop()

        def sink(output: Output) -> None:
            loop.call_soon_threadsafe(self._on_output, output)

        return Engine(
            self.spec.renditions,
            sink,
            opus_bitrate_bps=self.spec.opus_bitrate_bps,
            loudness_lufs=self.spec.loudness_lufs,
            adaptive_quality=self.spec.adaptive_quality,
            fixed_ladder=self.spec.fixed_ladder,
            fps=(video.framerate if video else None) or 30.0,
            observer=self._watch,
        )

    def _offer(self) -> None:
        """Describe what is shown and heard."""
        shown, sounding = self._shown, self._sounding
        if shown is None or sounding is None:
            return
        if shown is not self._slate:
            self._last_audio = shown.audio or self._last_audio
            self._slate.resemble(shown.video, self._last_audio)
        expected: list[str] = []
        if shown.video is not None:
            if plays_in_browsers(shown.video.codec):
                expected.append(SOURCE)
            expected += [r.name for r in fit_ladder(self.spec.renditions, shown.video.width, shown.video.height)]
        if sounding.audio is not None:
            self._set_up_sound(sounding.audio)
            expected += [AAC, OPUS]
        self._live.expect(expected)

    def _set_up_sound(self, audio: CatalogAudio) -> None:
        source = SoundSource(audio.codec, audio.description)
        if self._sound_source is not None and self._sound_source.decodes(source):
            return
        assert self._engine is not None
        self._sound_source = source
        self._engine.configure_audio(source)
        if self.spec.loudness_lufs:  # nothing is passed through: the engine describes both tracks
            return
        self._sound.begin_group()
        self._sound_track = OPUS if source.is_opus else AAC
        self._live.audio(self._sound_track, audio)

    def _pass_sound(self, source: Source, frame: MediaFrame) -> None:
        pts_us = self._sound.frame(self._sound_track, source, frame)
        if pts_us is not None and self._engine is not None:
            self._engine.audio(Unit(frame.payload, pts_us, True))

    def _on_output(self, output: Output) -> None:
        match output:
            case Encoded(track, payload, pts_us, keyframe, group):
                self._live.write(track, payload, pts_us, keyframe=keyframe, group=group)
            case VideoTrack(track, codec, width, height, bitrate_bps):
                shown = self._shown.video if self._shown else None
                framerate = shown.framerate if shown else None
                self._live.video(track, CatalogVideo(codec, width, height, framerate, bitrate_bps))
            case AudioTrack(track, codec, rate_hz, channels, init, bitrate_bps):
                self._live.audio(track, CatalogAudio(codec, rate_hz, channels, init, bitrate_bps))
            case TrackCarried(track):
                self._live.withhold(track)
            case TrackEnded(track):
                self._live.remove(track)

    async def _announce_late(self) -> None:
        await self._begun.wait()
        await asyncio.sleep(ANNOUNCE_WITHIN_S)
        self._live.announce()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORTED_EVERY_S)
            told = metrics(self._live, self._engine) | input_metrics(self._selector, self._sources)
            self._channel.emit("metrics", **told, detectors=self._watch.report())


def _unit(source: Source, frame: MediaFrame) -> Unit:
    """A frame as the engine gets it, in output time."""
    return Unit(frame.payload, frame.pts_us + source.offset_us, frame.keyframe)
