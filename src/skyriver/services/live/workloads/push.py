"""`live.push`: sends a channel on to another platform over RTMP, RTMPS or SRT, without encoding anything again.

Spec: {channel_id, destination_id, space, grant, origins: [{url, certificate_sha256}], url, key, rendition,
allow_private}. Metrics, 1 Hz: {state: connecting | running | retrying, since_us, error, attempts, rendition, fps,
bitrate_bps, bytes_sent, dropped}. Usage: the bytes sent, under the space `push/<channel>`.

The platform gets AAC, and the rendition that was asked for as long as its track goes on, be it in the catalog or not;
where the show has none of that name now, the largest that is no higher, else the smallest. It can be slow, away or
wrong for as long as it likes: what waits for it is bounded, and nobody else notices.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from skyriver.fabric import Catalog, Endpoint, Subscriber, VideoTrack
from skyriver.kernel.child import ChildChannel
from skyriver.kernel.clock import MediaClock
from skyriver.kernel.errors import SkyriverError
from skyriver.services.live.model import BROADCAST
from skyriver.services.live.relaying.addresses import Destination, SrtAddress, read_destination
from skyriver.services.live.relaying.flv import AUDIO_TAG, AvcTags, aac_frame, aac_header, metadata
from skyriver.services.live.relaying.outbox import Outbox
from skyriver.services.live.relaying.rtmp_push import PushCounters, RtmpPush
from skyriver.services.live.relaying.srt_push import SrtPush
from skyriver.services.live.relaying.status import RelayState, RelayStatus, Retry
from skyriver.services.live.stations.errors import DamagedMedia
from skyriver.services.live.workloads.specs import endpoints

RETRY_MAX_S = 30.0
USAGE_EVERY_S = 5.0
GONE_AFTER_S = 2.0
"""A track that the catalog does not list, and that brings nothing for so long, has ended."""
SOURCE, AAC = "source", "aac"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PushSpec:
    """What to send, and where to. Grants are renewed while the process runs."""

    channel_id: str
    space: str
    grant: str = field(repr=False)
    origins: tuple[Endpoint, ...]
    destination: Destination | SrtAddress
    rendition: str
    allow_private: bool

    @classmethod
    def parse(cls, spec: dict[str, Any]) -> PushSpec:
        """Raises BadRelayUrl for a destination that cannot be pushed to."""
        return cls(
            channel_id=spec["channel_id"],
            space=spec["space"],
            grant=spec["grant"],
            origins=endpoints(spec["origins"]),
            destination=read_destination(spec["url"], spec["key"]),
            rendition=spec["rendition"],
            allow_private=spec["allow_private"],
        )

    def needs_restart(self, new: PushSpec) -> bool:
        """Whether `new` is another push; a new rendition, new grants and relays are taken over while running."""
        return (self.space, self.destination, self.allow_private) != (new.space, new.destination, new.allow_private)


def choose_rendition(offered: Mapping[str, VideoTrack], wanted: str) -> str | None:
    """Which video track to send; None while there is none that RTMP's far sides take (H.264)."""
    possible = {name: track for name, track in offered.items() if track.codec.startswith("avc")}
    if wanted in possible or not possible:
        return wanted if wanted in possible else None
    by_size = sorted(possible, key=lambda name: (min(possible[name].width, possible[name].height), name))
    if wanted == SOURCE:
        return by_size[-1]
    height = int(digits) if (digits := wanted.rstrip("p")).isdecimal() else 0
    fitting = [name for name in by_size if min(possible[name].width, possible[name].height) <= height]
    return (fitting or by_size[:1])[-1]


class _Choice:
    """Which track is read now; None: none."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._changed = asyncio.Event()

    def set(self, name: str | None) -> None:
        if name != self.name:
            self.name = name
            self._changed.set()

    async def each(self, read: Callable[[str], Awaitable[None]]) -> None:
        """Read the track that is chosen, until another one is, for ever."""
        while True:
            self._changed.clear()
            changed = asyncio.ensure_future(self._changed.wait())
            reading = asyncio.ensure_future(read(self.name)) if self.name is not None else changed
            try:
                await asyncio.wait({reading, changed}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    await reading
            finally:
                for task in (reading, changed):
                    task.cancel()
                await asyncio.gather(reading, changed, return_exceptions=True)


class Push:
    """One channel to one destination."""

    def __init__(self, spec: PushSpec, channel: ChildChannel) -> None:
        self.spec = spec
        self._channel = channel
        self._outbox = Outbox()
        self._status = RelayStatus()
        self._sent = PushCounters()
        self._total_bytes = 0
        self._subscriber = Subscriber(spec.origins, spec.space, lambda: self.spec.grant, BROADCAST)
        self._catalog = Catalog()
        self._video, self._sound = _Choice(), _Choice()
        self._seen_at_s = 0.0  # when the last picture came
        self._sound_config = b""

    def follow(self, spec: PushSpec) -> None:
        """Take over another rendition, renewed grants and moved relays."""
        if set(spec.origins) != set(self.spec.origins):
            self._subscriber.follow(spec.origins)
        self.spec = spec
        self._choose()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._subscriber.run())
            tasks.create_task(self._read_catalogs())
            tasks.create_task(self._video.each(self._read_video))
            tasks.create_task(self._sound.each(self._read_sound))
            tasks.create_task(self._send())
            tasks.create_task(self._report())
            tasks.create_task(self._report_usage())
            self._channel.emit("ready")

    async def _read_catalogs(self) -> None:
        async for catalog in self._subscriber.catalogs():
            self._catalog = catalog
            self._choose()

    def _choose(self) -> None:
        """Take up what the show offers now, and what is wanted of it."""
        video, audio = self._catalog.video, self._catalog.audio
        rendition = self.spec.rendition if self._goes_on() else choose_rendition(video, self.spec.rendition)
        self._outbox.has_video = bool(video)
        if rendition is not None and (track := video.get(rendition)) is not None:
            self._outbox.put(metadata(width=track.width, height=track.height, fps=track.framerate, audio=AAC in audio))
        if AAC not in audio:
            self._outbox.forget(AUDIO_TAG)
            self._sound_config = b""
        self._video.set(rendition)
        self._sound.set(AAC if AAC in audio else None)

    def _goes_on(self) -> bool:
        """Whether the rendition that is wanted is offered no more, and brings pictures all the same: those of the next
        larger one."""
        wanted = self.spec.rendition
        if self._video.name != wanted or wanted in self._catalog.video:
            return False
        return asyncio.get_running_loop().time() - self._seen_at_s < GONE_AFTER_S

    async def _read_video(self, rendition: str) -> None:
        pictures = AvcTags()
        async for frame in self._subscriber.frames(rendition):
            self._seen_at_s = asyncio.get_running_loop().time()
            try:
                for tag in pictures.take(frame.payload, frame.pts_us):
                    self._outbox.put(tag)
            except DamagedMedia as error:
                log.warning("A picture was left out: %s", error)

    async def _read_sound(self, name: str) -> None:
        async for frame in self._subscriber.frames(name):
            track = self._catalog.audio.get(name)
            if track is not None and track.description != self._sound_config:
                self._sound_config = track.description
                self._outbox.put(aac_header(track.description, frame.pts_us))
            self._outbox.put(aac_frame(frame.payload, frame.pts_us))

    async def _send(self) -> None:
        retry = Retry(RETRY_MAX_S)
        while True:
            self._status.attempts += 1
            if not self._status.error:
                self._status.enter(RelayState.CONNECTING)
            retry.begin()
            push = self._new_push()
            self._sent = push.counters
            try:
                await push.run()
            except SkyriverError as error:
                self._status.enter(RelayState.RETRYING, str(error))
                log.warning("The push is tried again: %s", error)
            self._total_bytes += push.counters.bytes_sent
            self._sent = PushCounters()
            await retry.wait()

    def _new_push(self) -> RtmpPush | SrtPush:
        to, allow_private = self.spec.destination, self.spec.allow_private
        if isinstance(to, SrtAddress):
            return SrtPush(to, self._outbox, allow_private=allow_private, started=self._started)
        return RtmpPush(to, self._outbox, allow_private=allow_private, started=self._started)

    def _started(self) -> None:
        self._status.enter(RelayState.RUNNING)

    @property
    def bytes_sent(self) -> int:
        return self._total_bytes + self._sent.bytes_sent

    async def _report(self) -> None:
        before, pictures, sent = self._sent, 0, self.bytes_sent
        while True:
            await asyncio.sleep(1.0)
            if self._video.name is not None and self._video.name not in self._catalog.video:
                self._choose()  # it may have ended
            if self._sent is not before:
                before, pictures = self._sent, 0
            self._channel.emit(
                "metrics",
                **self._status.fields(),
                rendition=self._video.name or "",
                fps=self._sent.pictures - pictures,
                bitrate_bps=(self.bytes_sent - sent) * 8,
                bytes_sent=self.bytes_sent,
                dropped=self._outbox.counters.tags_dropped,
            )
            pictures, sent = self._sent.pictures, self.bytes_sent

    async def _report_usage(self) -> None:
        """What was sent is usage of the tenant, as what relays carry is."""
        source, clock, seq, sent = secrets.token_hex(8), MediaClock(), 0, 0
        began_us = clock.now_us()
        over = False
        while not over:
            try:
                await asyncio.sleep(USAGE_EVERY_S)
            except asyncio.CancelledError:
                over = True
            now_us, total = clock.now_us(), self.bytes_sent
            if total > sent:
                self._channel.emit(
                    "usage",
                    source=source,
                    seq=seq,
                    space=f"push/{self.spec.channel_id}",
                    jti=_jti(self.spec.grant),
                    bytes_sent=total - sent,
                    bytes_received=0,
                    from_us=began_us,
                    to_us=now_us,
                    final=over,
                )
                seq, sent = seq + 1, total
            began_us = now_us
        raise asyncio.CancelledError


def _jti(grant: str) -> str:
    """What names a grant in usage. The grant is our own: relays verify it, not we."""
    return str(jwt.decode(grant, options={"verify_signature": False}).get("jti", ""))


async def main(channel: ChildChannel, first: dict[str, Any]) -> None:
    """Push until told to drain or until the supervisor is gone."""
    push = Push(PushSpec.parse(first["spec"]), channel)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(push.run())
        async for command in channel.commands():
            if command["cmd"] == "drain":
                break
            if command["cmd"] == "spec":
                spec = PushSpec.parse(command["spec"])
                if push.spec.needs_restart(spec):
                    channel.emit("restart_me", reason="the destination changed")
                    break
                push.follow(spec)
        running.cancel()
