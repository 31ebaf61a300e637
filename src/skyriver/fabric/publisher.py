"""Publishing into a space: one local origin, offered to every origin relay at once.

A frame is written once; the library sends it to each relay that has a subscriber for it. A relay that dies and returns
is offered everything again by its own uplink, and the others never notice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from skyriver.fabric import hang, moq
from skyriver.fabric.uplink import Uplinks
from skyriver.kernel.clock import MediaClock

log = logging.getLogger(__name__)

_TRACK_MAX_AGE_US = 30_000_000


class MediaTrack:
    """One elementary stream. Groups are numbered by the caller, from the PTS; numbers never go back."""

    def __init__(self, track: moq.TrackProducer, name: str) -> None:
        self.name = name
        self._track = track
        self._group: moq.GroupProducer | None = None
        self._sequence = -1
        self.bytes_written = 0
        self.frames_written = 0

    def write(self, payload: bytes, pts_us: int, *, keyframe: bool = False, group: int | None = None) -> None:
        """Write one frame; a `group` above the present one closes that and opens the new one.

        Frames before the first group are dropped: nobody could decode them. `keyframe` documents the caller's
        intent; a video group must begin with one.
        """
        if group is not None and group > self._sequence:
            if self._group is not None:
                self._group.finish()
            self._group = self._track.create_group(group)
            self._sequence = group
        if self._group is None:
            return
        frame = hang.encode_frame(payload, pts_us)
        self._group.write_frame(frame, pts_us)
        self.bytes_written += len(frame)
        self.frames_written += 1

    def finish(self) -> None:
        """No frame will follow."""
        if self._group is not None:
            self._group.finish()
            self._group = None
        self._track.finish()

    def has_subscribers(self) -> bool:
        """Whether anybody wants this track now."""
        return self._track.demand().is_used()


class Broadcast:
    """A named set of tracks with a catalog; build the tracks, then `announce`."""

    def __init__(self, producer: moq.BroadcastProducer, path: str) -> None:
        self.path = path
        self._producer = producer
        self._clock = MediaClock()
        self._video: dict[str, hang.VideoTrack] = {}
        self._audio: dict[str, hang.AudioTrack] = {}
        self._captions: dict[str, hang.CaptionTrack] = {}
        self._tracks: dict[str, MediaTrack] = {}
        info = moq.TrackInfo(priority=hang.CATALOG_PRIORITY, timescale=1_000_000)
        self._catalog = producer.publish_track(hang.CATALOG_TRACK, info)
        self._catalog_sequence = 0
        self._announced = False

    def video(self, name: str, track: hang.VideoTrack) -> MediaTrack:
        """Add (or describe anew) a video track; H.264 is written as Annex B access units."""
        self._video[name] = track
        return self._media(name, hang.VIDEO_PRIORITY)

    def audio(self, name: str, track: hang.AudioTrack) -> MediaTrack:
        """Add (or describe anew) an audio track."""
        self._audio[name] = track
        return self._media(name, hang.AUDIO_PRIORITY)

    def captions(self, name: str, track: hang.CaptionTrack) -> MediaTrack:
        """Add (or describe anew) a track of captions."""
        self._captions[name] = track
        return self._media(name, hang.CAPTIONS_PRIORITY)

    def remove(self, name: str) -> None:
        """Take a track out of the catalog; what is in flight is still delivered."""
        self._video.pop(name, None)
        self._audio.pop(name, None)
        self._captions.pop(name, None)
        self._write_catalog()

    def announce(self, *, cost: int = 0) -> None:
        """Make the broadcast visible, or re-price it: of several publishers of one path, the cheapest is heard."""
        self._announced = True
        self._write_catalog()
        self._producer.announce(moq.Route(cost=cost))

    def close(self) -> None:
        """End the broadcast for good. A publisher that will be replaced must NOT close: it would end its viewers."""
        for track in self._tracks.values():
            track.finish()  # readers of a track that nobody finishes wait for ever
        self._producer.close()

    @property
    def catalog(self) -> hang.Catalog:
        """What is offered now."""
        return hang.Catalog(dict(self._video), dict(self._audio), captions=dict(self._captions))

    def _media(self, name: str, priority: int) -> MediaTrack:
        if name not in self._tracks:
            info = moq.TrackInfo(priority=priority, max_age_us=_TRACK_MAX_AGE_US, timescale=1_000_000)
            self._tracks[name] = MediaTrack(self._producer.publish_track(name, info), name)
        self._write_catalog()
        return self._tracks[name]

    def _write_catalog(self) -> None:
        if not self._announced:
            return
        # By time, so that a viewer who is moved to another origin, or outlives this publisher, finds the next number
        # above the last one it has seen; lower ones would never reach it.
        self._catalog_sequence = max(self._catalog_sequence + 1, self._clock.now_us() // 1000)
        group = self._catalog.create_group(self._catalog_sequence)
        group.write_frame(self.catalog.to_json(), self._clock.now_us())
        group.finish()


class Publisher:
    """Publishes into one space on every origin relay at once. `run` it in a task group; it never gives up."""

    def __init__(self, endpoints: Sequence[moq.Endpoint], space: str, grant: Callable[[], str]) -> None:
        self.space = space
        self._origin = moq.new_origin()
        self._endpoints = tuple(endpoints)
        self._uplinks = Uplinks(space, grant, publish=self._origin)
        self._tasks: asyncio.TaskGroup | None = None

    def broadcast(self, path: str) -> Broadcast:
        """A new broadcast at `path`, relative to the space; invisible until announced."""
        return Broadcast(self._origin.create_broadcast(path), path)

    def follow(self, endpoints: Sequence[moq.Endpoint]) -> None:
        """The origin relays have changed: offer everything to exactly these from now on."""
        self._endpoints = tuple(endpoints)
        if self._tasks is not None:
            self._uplinks.follow(self._endpoints, self._tasks)

    async def connected(self) -> None:
        """Wait until at least one relay has been connected."""
        await self._uplinks.connected.wait()

    @property
    def connections(self) -> int:
        """How many relays are connected now."""
        return len(self._uplinks.sessions)

    async def run(self) -> None:
        """Keep every uplink open until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._uplinks.follow(self._endpoints, tasks)
            await asyncio.get_running_loop().create_future()
