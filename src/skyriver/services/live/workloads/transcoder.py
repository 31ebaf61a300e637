"""`live.transcoder`: reads `src` in a channel's ingest space, publishes `live` in its viewers' space: the source, the
ladder, AAC and Opus.

Spec: {channel_id, tenant_id, space, grant, ingest: {space, grant}, origins: [{url, certificate_sha256}],
profile: {renditions, audio}}.
Metrics, 1 Hz: {renditions: [{name, width, height, bitrate_bps, fps, delay_ms}], audio: [...], delay_ms, ...counters}.

Nothing of `live` is announced before the whole ladder is known (or `ANNOUNCE_WITHIN_S` have passed): a catalog that
grew track by track would make every viewer switch renditions each time a transcoder restarts. The broadcast is never
closed here, so that whoever replaces this process goes on in the same tracks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from skyriver.fabric import AudioTrack as CatalogAudio
from skyriver.fabric import Broadcast, Catalog, Endpoint, MediaTrack, Publisher, Subscriber
from skyriver.fabric import VideoTrack as CatalogVideo
from skyriver.kernel.child import ChildChannel
from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.avc import plays_in_browsers
from skyriver.services.live.media.engine import Engine
from skyriver.services.live.media.flow import Flow
from skyriver.services.live.media.units import AudioTrack, Encoded, Output, TrackEnded, Unit, VideoTrack
from skyriver.services.live.model import BROADCAST, SOURCE_BROADCAST, Rendition, fit_ladder
from skyriver.services.live.workloads.specs import endpoints

SOURCE, AAC, OPUS = "source", "aac", "opus"
VIDEO_IN, AUDIO_IN = "video", "audio"
ANNOUNCE_WITHIN_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TranscoderSpec:
    """What to transcode, from where to where. Grants are renewed while the process runs."""

    channel_id: str
    space: str
    grant: str
    ingest_space: str
    ingest_grant: str
    origins: tuple[Endpoint, ...]
    renditions: tuple[Rendition, ...]
    opus_bitrate_bps: int

    @classmethod
    def parse(cls, spec: dict[str, Any]) -> TranscoderSpec:
        profile = spec.get("profile", {})
        audio = {entry["codec"]: int(entry["bitrate_bps"]) for entry in profile.get("audio", ())}
        return cls(
            channel_id=spec["channel_id"],
            space=spec["space"],
            grant=spec["grant"],
            ingest_space=spec["ingest"]["space"],
            ingest_grant=spec["ingest"]["grant"],
            origins=endpoints(spec["origins"]),
            renditions=tuple(Rendition(**rendition) for rendition in profile.get("renditions", ())),
            opus_bitrate_bps=audio.get("opus", 96_000),
        )

    def needs_restart(self, new: TranscoderSpec) -> bool:
        """Whether `new` asks for another ladder or space; new grants and relays are taken over while running."""

        def essence(spec: TranscoderSpec) -> tuple[object, ...]:
            return spec.space, spec.ingest_space, spec.renditions, spec.opus_bitrate_bps

        return essence(self) != essence(new)


class LiveBroadcast:
    """The outgoing side: tracks by name, the moment of announcing, and what flows through each."""

    def __init__(self, broadcast: Broadcast, clock: MediaClock) -> None:
        self._broadcast = broadcast
        self._clock = clock
        self._tracks: dict[str, MediaTrack] = {}
        self._expected: set[str] = set()
        self._announced = False
        self.videos: dict[str, CatalogVideo] = {}
        self.flows: dict[str, Flow] = {}

    def expect(self, tracks: Iterable[str]) -> None:
        """What the whole broadcast consists of; announced when all of it is there."""
        self._expected = set(tracks)
        self._announce_if_whole()

    def announce(self) -> None:
        """Announce what there is. Repeating it does nothing."""
        if not self._announced and self._tracks:
            self._announced = True
            self._broadcast.announce()

    def video(self, name: str, track: CatalogVideo) -> None:
        self.videos[name] = track
        self._add(name, self._broadcast.video(name, track))

    def audio(self, name: str, track: CatalogAudio) -> None:
        self._add(name, self._broadcast.audio(name, track))

    def remove(self, name: str) -> None:
        """Take a track out of the offer. Its numbers go on if it ever returns."""
        self.videos.pop(name, None)
        self.flows.pop(name, None)
        self._tracks.pop(name, None)
        self._broadcast.remove(name)

    def write(self, name: str, payload: bytes, pts_us: int, *, keyframe: bool, group: int) -> None:
        track = self._tracks.get(name)
        if track is not None:
            track.write(payload, pts_us, keyframe=keyframe, group=group)
            self.flows[name].add(len(payload), self._clock.now_us() - pts_us)

    def _add(self, name: str, track: MediaTrack) -> None:
        self._tracks[name] = track
        self.flows.setdefault(name, Flow())
        self._announce_if_whole()

    def _announce_if_whole(self) -> None:
        if self._expected and self._expected <= set(self._tracks):
            self.announce()


class Transcoder:
    """One channel's transcoding. `run` it until cancelled."""

    def __init__(self, spec: TranscoderSpec, channel: ChildChannel) -> None:
        self.spec = spec
        self._channel = channel
        self._publisher = Publisher(spec.origins, spec.space, lambda: self.spec.grant)
        self._subscriber = Subscriber(spec.origins, spec.ingest_space, lambda: self.spec.ingest_grant, SOURCE_BROADCAST)
        self._live = LiveBroadcast(self._publisher.broadcast(BROADCAST), MediaClock())
        self._engine: Engine | None = None
        self._source = Catalog()
        self._described = asyncio.Event()  # a catalog has come: the engine runs

    def follow(self, spec: TranscoderSpec) -> None:
        """Take over renewed grants and moved relays."""
        moved = set(spec.origins) != set(self.spec.origins)
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
                fps=(video.framerate if video else None) or 30.0,
            )
        expected: list[str] = []
        if video is not None:
            if plays_in_browsers(video.codec):
                self._live.video(SOURCE, video)
                expected.append(SOURCE)
            else:
                self._live.remove(SOURCE)
            expected += [r.name for r in fit_ladder(self.spec.renditions, video.width, video.height)]
        if audio is not None:
            before = self._source.audio.get(AUDIO_IN)
            if before is None or before.description != audio.description:
                self._engine.configure_audio(audio.description)
            self._live.audio(AAC, audio)
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
            self._engine.video(Unit(frame.payload, frame.pts_us, frame.keyframe))

    async def _read_audio(self) -> None:
        await self._described.wait()
        async for frame in self._subscriber.frames(AUDIO_IN):
            assert self._engine is not None
            self._live.write(AAC, frame.payload, frame.pts_us, keyframe=True, group=frame.group)
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
            await asyncio.sleep(1.0)
            rates = {name: flow.take() for name, flow in self._live.flows.items()}
            renditions = [
                {"name": name, "width": track.width, "height": track.height, **asdict(rates[name])}
                for name, track in self._live.videos.items()
            ]
            audio = [{"name": name, **asdict(rate)} for name, rate in rates.items() if name not in self._live.videos]
            encoded = [entry["delay_ms"] for entry in renditions if entry["name"] != SOURCE and entry["fps"]]
            counters = asdict(self._engine.counters) if self._engine else {}
            fields = {"renditions": renditions, "audio": audio, **counters}
            if encoded or renditions:
                fields["delay_ms"] = max(encoded, default=renditions[0]["delay_ms"])
            self._channel.emit("metrics", **fields)


async def main(channel: ChildChannel, first: dict[str, Any]) -> None:
    """Transcode until told to drain or until the supervisor is gone."""
    transcoder = Transcoder(TranscoderSpec.parse(first["spec"]), channel)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(transcoder.run())
        async for command in channel.commands():
            if command["cmd"] == "drain":
                break
            if command["cmd"] == "spec":
                spec = TranscoderSpec.parse(command["spec"])
                if transcoder.spec.needs_restart(spec):
                    channel.emit("restart_me", reason="the ladder or the space changed")
                    break
                transcoder.follow(spec)
        running.cancel()
