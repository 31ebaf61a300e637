"""Recordings made without a relay and faster than time: frames go straight into a recorder's writing side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from skyriver.fabric import AudioTrack, MediaFrame, VideoTrack
from skyriver.fabric.numbering import SLOT_US, group_of
from skyriver.platform.objects import ObjectStore
from skyriver.services.live.media.avc import avc3_codec
from skyriver.services.live.recorder.ending import Ending, write_ending
from skyriver.services.live.recorder.recording import Recording
from skyriver.services.live.recorder.sheets import number_of
from skyriver.services.live.recorder.thumbnails import make_sheets, picture_of
from skyriver.services.live.recorder.uploading import Uploader
from tests.services.live.media import samples

START_US = samples.START_US
_video = cache(samples.video)
_sound = cache(samples.sound)


def tracks(seconds: float = 8, start_us: int = START_US) -> dict[str, tuple[VideoTrack | AudioTrack, list[MediaFrame]]]:
    """A source with B-frames, a rendition and AAC."""
    made: dict[str, tuple[VideoTrack | AudioTrack, list[MediaFrame]]] = {}
    for name, size, gop, bframes in (("source", (640, 360), 45, 2), ("180p", (320, 180), 60, 0)):
        units = _video(seconds, width=size[0], height=size[1], gop=gop, bframes=bframes, start_us=start_us)
        frames, group = [], 0
        for unit in units:
            group = group_of(unit.pts_us) if unit.keyframe else group
            frames.append(MediaFrame(unit.payload, unit.pts_us, unit.keyframe, group))
        made[name] = VideoTrack(avc3_codec(units[0].payload) or "", *size, 30), frames
    aac = _sound(seconds, start_us=start_us)
    sound = [MediaFrame(u.payload, u.pts_us, True, group_of(u.pts_us // SLOT_US * SLOT_US)) for u in aac.units]
    made["aac"] = AudioTrack("mp4a.40.2", 44_100, 2, aac.config), sound
    return made


def in_time(
    taken: dict[str, tuple[VideoTrack | AudioTrack, list[MediaFrame]]],
) -> Iterator[tuple[str, MediaFrame]]:
    """The frames of all tracks, about as they come."""
    queues = {name: list(frames) for name, (_, frames) in taken.items()}
    while queues := {name: frames for name, frames in queues.items() if frames}:
        name = min(queues, key=lambda n: queues[n][0].pts_us)
        yield name, queues[name].pop(0)


async def upload(store: ObjectStore, recording_id: str, recording: Recording) -> Uploader:
    """Everything that waits on the disk into the store."""
    uploader = Uploader(store, recording_id, recording.spool, recording.infos, recording.skip_stored)
    running = asyncio.ensure_future(uploader.run())
    await uploader.drained()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return uploader


async def take(
    store: ObjectStore,
    recording_id: str,
    folder: Path,
    *,
    seconds: float = 8,
    keep: Callable[[int], bool] = lambda _pts_us: True,
    ended: bool = True,
) -> None:
    """A whole recording; `keep` leaves out the frames of a gap."""
    recording = Recording(folder)
    taken = tracks(seconds)
    for name, (track, _) in taken.items():
        recording.describe(name, track)
    for name, frame in in_time(taken):
        if keep(frame.pts_us):
            recording.write(name, frame)
            if name == "180p" and frame.keyframe and (picture := picture_of(frame.payload)):
                recording.thumb(number_of(frame.pts_us), picture)
    if ended:
        recording.close_segments()
    await upload(store, recording_id, recording)
    if ended:
        await make_sheets(store, recording_id)
        await write_ending(store, recording_id, Ending())
