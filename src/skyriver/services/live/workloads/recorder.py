"""`live.recorder`: one show of one channel, from the viewers' space into the object store, without transcoding.

Spec: {recording_id, channel_id, tenant_id, space, grant, origins: [{url, certificate_sha256}], store: URL,
renditions: "all" | "top", finish: bool, leave_within_s}. With `finish` it ends what is open, empties its spool, makes
the sheets of pictures, and says `finished`. Told to `leave` (another node records now, or none), it brings its spool
to the store, says `left` and ends.
Metrics, 1 Hz: {recording_id, size_bytes, media_ms, start_us, end_us, gaps: [{from_us, to_us}], tracks: [...],
spool_bytes, lag_ms, segments_dropped, frames_damaged, journal_errors, trouble, finished}.
Events: `alarm` (`recording_store` while the store takes nothing, `recording_gap` when something was lost), `finished`.

The channel never waits for any of this: a store that is away or full costs the recording, and only that.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skyriver.fabric import AudioTrack, Catalog, Endpoint, MediaFrame, Subscriber, VideoTrack
from skyriver.kernel.child import ChildChannel
from skyriver.kernel.clock import MediaClock
from skyriver.kernel.errors import SkyriverError, WorldBroke
from skyriver.platform.objects import open_store
from skyriver.services.live.model import BROADCAST
from skyriver.services.live.recorder import thumbnails
from skyriver.services.live.recorder.ending import Ending, write_ending
from skyriver.services.live.recorder.layout import Index
from skyriver.services.live.recorder.recording import Recording
from skyriver.services.live.recorder.sheets import number_of
from skyriver.services.live.recorder.uploading import Uploader
from skyriver.services.live.workloads.specs import endpoints

CATCH_UP_US = 20_000_000
"""How far back the relays are asked for what they still have: a recorder that was away for less misses nothing, as long
as all renditions together stay below `moq.LOOK_BACK_BYTES` in that time (38 Mbit/s) and the network brings them at a
multiple of their bit rate. A show's first seconds are from before its recorder was started."""
STALE_WITHIN_US = 10_000_000
INDEX_WITHIN_S = 3.0
FINISH_RETRY_S = 2.0
MAX_GAPS_TOLD = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecorderSpec:
    """What to record, from where to where."""

    recording_id: str
    channel_id: str
    space: str
    grant: str
    origins: tuple[Endpoint, ...]
    store_url: str
    top_only: bool
    finish: bool

    @classmethod
    def parse(cls, spec: dict[str, Any]) -> RecorderSpec:
        return cls(
            recording_id=spec["recording_id"],
            channel_id=spec["channel_id"],
            space=spec["space"],
            grant=spec["grant"],
            origins=endpoints(spec["origins"]),
            store_url=spec["store"],
            top_only=spec.get("renditions") == "top",
            finish=bool(spec.get("finish")),
        )

    def needs_restart(self, new: RecorderSpec) -> bool:
        """Whether `new` is other work; new grants, moved relays and the end are taken over while running."""
        mine = self.recording_id, self.space, self.store_url, self.top_only
        return mine != (new.recording_id, new.space, new.store_url, new.top_only)


class Recorder:
    """Runs until cancelled; `follow` a spec with `finish` to have it end the recording."""

    def __init__(self, spec: RecorderSpec, channel: ChildChannel, data_dir: Path) -> None:
        self.spec = spec
        self._channel = channel
        self._clock = MediaClock()
        self._began_us = self._clock.now_us()
        store = open_store(spec.store_url)
        folder = data_dir / spec.recording_id
        try:
            self._recording = Recording(folder)
        except OSError as error:
            raise WorldBroke(
                f"The recorder's folder {folder} cannot be used: {error.strerror}.",
                hint="Make room on the node's disk, or fix the folder's permissions.",
                code="recorder_folder",
            ) from error
        self._store = store
        self._loaded = asyncio.Event()
        self._uploader = Uploader(
            store, spec.recording_id, self._recording.spool, self._recording.infos, self._on_loaded
        )
        self._recording.on_spooled = self._uploader.nudge
        self._subscriber = Subscriber(spec.origins, spec.space, lambda: self.spec.grant, BROADCAST)
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._ending = asyncio.Event()
        self._leaving = asyncio.Event()
        self._finished = False
        self._thumb_track: str | None = None
        self._thumb_due = 0
        self._last_pts_us = 0
        self._in_trouble = False
        self._dropped = 0

    def follow(self, spec: RecorderSpec) -> None:
        """Take over renewed grants, moved relays, and the end."""
        moved = set(spec.origins) != set(self.spec.origins)
        self.spec = spec
        if moved:
            self._subscriber.follow(spec.origins)
        if spec.finish:
            self._ending.set()

    def leave(self) -> None:
        """Another node goes on, or nobody: bring away what is here, and end."""
        self._leaving.set()
        self._ending.set()

    async def run(self) -> None:
        """Record until cancelled, or until told to finish; then finish and stay, saying so. `leave` ends it."""
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._uploader.run()), tasks.create_task(self._report())]
            self._channel.emit("ready", recording_id=self.spec.recording_id)
            if self.spec.finish:
                self._ending.set()
            recording = tasks.create_task(self._record())
            await self._ending.wait()
            recording.cancel()
            await asyncio.gather(recording, return_exceptions=True)
            if not self._leaving.is_set():
                beside.append(tasks.create_task(self._finish()))
            await self._leaving.wait()
            await self._bring_away()
            for task in beside:
                task.cancel()

    def _on_loaded(self, index: Index) -> None:
        self._recording.skip_stored(index)
        self._loaded.set()

    async def _record(self) -> None:
        with suppress(TimeoutError):  # without the store's index, what it has may be recorded twice, under one name
            async with asyncio.timeout(INDEX_WITHIN_S):
                await self._loaded.wait()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._subscriber.run())
            async for catalog in self._subscriber.catalogs():
                self._on_catalog(catalog, tasks)

    def _on_catalog(self, catalog: Catalog, tasks: asyncio.TaskGroup) -> None:
        videos = sorted(catalog.video.items(), key=lambda item: (item[1].height, item[1].bitrate_bps or 0))
        if self.spec.top_only:
            videos = videos[-1:]
        sounds = [(name, track) for name, track in catalog.audio.items() if track.codec.startswith("mp4a")]
        sounds = sounds or list(catalog.audio.items())[:1]
        wanted: list[tuple[str, VideoTrack | AudioTrack]] = [*videos, *sounds]
        for name, track in wanted:
            try:
                if not self._recording.describe(name, track):
                    continue
            except SkyriverError as error:
                log.warning("the track %s is not recorded: %s", name, error)
                continue
            if name not in self._reading:
                self._reading[name] = tasks.create_task(self._read(name, video=isinstance(track, VideoTrack)))
        if videos:
            self._thumb_track = videos[0][0]

    async def _read(self, name: str, *, video: bool) -> None:
        async for frame in self._subscriber.frames(name, back_us=CATCH_UP_US):
            if self._is_stale(frame):
                continue
            self._recording.write(name, frame)
            self._last_pts_us = max(self._last_pts_us, frame.pts_us)
            if video and frame.keyframe and name == self._thumb_track:
                await self._thumb(frame)

    def _is_stale(self, frame: MediaFrame) -> bool:
        """Left in a relay's cache by an earlier show. Judged only at the beginning, when such frames come: a station's
        clock that is wrong must not cost its recording."""
        now_us = self._clock.now_us()
        return now_us - self._began_us < STALE_WITHIN_US and now_us - frame.pts_us > 2 * CATCH_UP_US

    async def _thumb(self, frame: MediaFrame) -> None:
        number = number_of(frame.pts_us)
        if number >= self._thumb_due:
            self._thumb_due = number + 1
            picture = await asyncio.to_thread(thumbnails.picture_of, frame.payload)
            if picture is not None:
                self._recording.thumb(number, picture)

    async def _finish(self) -> None:
        self._recording.close_segments()
        self._uploader.nudge()
        await self._uploader.drained()
        while True:
            try:
                await thumbnails.make_sheets(self._store, self.spec.recording_id)
                await write_ending(self._store, self.spec.recording_id, Ending())
                await self._uploader.recount()
                break
            except SkyriverError as error:
                log.warning("the recording's end could not be written and is tried again: %s", error)
                await asyncio.sleep(FINISH_RETRY_S)
        self._finished = True
        self._tell()
        self._channel.emit("finished", recording_id=self.spec.recording_id)

    async def _bring_away(self) -> None:
        if not self._finished:
            self._recording.close_segments()
            self._uploader.come_late()
            await self._uploader.drained()
        self._channel.emit("left", recording_id=self.spec.recording_id)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._tell()

    def _tell(self) -> None:
        totals, losses, trouble = self._uploader.totals, self._recording.losses, self._uploader.trouble
        if (trouble is not None) != self._in_trouble:
            self._in_trouble = trouble is not None
            why = f"The object store does not take the recording, which waits on its node: {trouble}" if trouble else ""
            self._alarm("recording_store", "raised" if trouble else "cleared", why, "The channel itself is live.")
        if losses.segments_dropped > self._dropped:
            self._dropped = losses.segments_dropped
            self._alarm(
                "recording_gap",
                None,
                "The recording has a gap: the object store takes nothing, and the room on its node is used up.",
                "Make room in the object store or bring it back. The channel itself is live.",
            )
        self._channel.emit(
            "metrics",
            recording_id=self.spec.recording_id,
            size_bytes=totals.size_bytes,
            media_ms=totals.media_us // 1000,
            start_us=totals.start_us,
            end_us=totals.end_us,
            gaps=[gap.json() for gap in totals.gaps[-MAX_GAPS_TOLD:]],
            tracks=[asdict(info) for _, info in sorted(self._recording.infos.items())],
            spool_bytes=self._recording.spool.size_bytes,
            lag_ms=max(0, self._clock.now_us() - self._last_pts_us) // 1000 if self._last_pts_us else None,
            **asdict(losses),
            trouble=None if trouble is None else trouble.code,
            loaded=self._uploader.loaded,
            finished=self._finished,
        )

    def _alarm(self, kind: str, state: str | None, message: str, hint: str) -> None:
        """Without a state: it happened, and is over."""
        subject = {"kind": "channel", "id": self.spec.channel_id}
        fields = {"kind": kind, "severity": "warning", "subject": subject, "message": message, "hint": hint}
        self._channel.emit("alarm", **fields, **({"state": state} if state else {}))


async def main(channel: ChildChannel, first: dict[str, Any]) -> None:
    """Record until told to drain or until the supervisor is gone."""
    recorder = Recorder(RecorderSpec.parse(first["spec"]), channel, Path(first["data_dir"]))
    if first.get("leave"):
        recorder.leave()
    async with asyncio.TaskGroup() as tasks:
        both = {tasks.create_task(recorder.run()), tasks.create_task(_obey(channel, recorder))}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()


async def _obey(channel: ChildChannel, recorder: Recorder) -> None:
    async for command in channel.commands():
        match command["cmd"]:
            case "drain":
                return
            case "leave":
                recorder.leave()
            case "spec":
                spec = RecorderSpec.parse(command["spec"])
                if recorder.spec.needs_restart(spec):
                    channel.emit("restart_me", reason="it is to record something else")
                    return
                recorder.follow(spec)
