"""A show on a real relay, and a recorder of it: for tests of what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from skyriver.fabric import AudioTrack, Endpoint, Publisher, VideoTrack
from skyriver.fabric.numbering import SLOT_US, group_of
from skyriver.kernel.clock import MediaClock
from skyriver.platform.objects import FolderStore
from skyriver.services.live.media.avc import avc3_codec
from skyriver.services.live.media.units import Unit
from tests.fabric.rig import SPACE, service_grant
from tests.services.live.media import samples

FPS = 30
RECORDING = "rec_0000000000000001"
_video = cache(samples.video)
_sound = cache(samples.sound)


@dataclass
class Show:
    """What was published: presentation times by track."""

    begin_us: int
    pts_us: dict[str, list[int]] = field(default_factory=lambda: {"source": [], "180p": [], "aac": []})


@asynccontextmanager
async def show(relay: Endpoint) -> AsyncIterator[Show]:
    """`live` with a source (GOP of 1.5 s, B-frames), a rendition (keyframes at the slots) and AAC, in real time."""
    tracks = {
        "source": _video(6, width=640, height=360, gop=45, bframes=2, start_us=0),
        "180p": _video(6, width=320, height=180, gop=60, start_us=0),
    }
    aac = _sound(6, start_us=0)
    sound = [unit for unit in aac.units if unit.pts_us >= 0]  # the encoder's run-up would begin before the loop's end
    publisher = Publisher([relay], SPACE, service_grant)
    broadcast = publisher.broadcast("live")
    for name, (width, height) in {"source": (640, 360), "180p": (320, 180)}.items():
        broadcast.video(name, VideoTrack(avc3_codec(tracks[name][0].payload) or "", width, height, FPS))
    broadcast.audio("aac", AudioTrack("mp4a.40.2", 44_100, 2, aac.config))
    begin_us = MediaClock().now_us() // SLOT_US * SLOT_US  # a rendition's keyframes stand at the slots
    told = Show(begin_us)
    loop = asyncio.get_running_loop()
    begin_s = loop.time() - (MediaClock().now_us() - begin_us) / 1e6

    async def play(name: str, units: list[Unit]) -> None:
        track = broadcast._tracks[name]
        for turn in range(1_000):
            group = 0
            for unit in units:
                pts_us = unit.pts_us + turn * 6_000_000
                ahead_s = begin_s + pts_us / 1e6 - loop.time()
                if ahead_s > 0:
                    await asyncio.sleep(ahead_s)  # this is a publisher's pace, not a wait for something to happen
                stamp_us = begin_us + pts_us
                if name == "aac":
                    group = stamp_us // SLOT_US * SLOT_US // 250_000
                elif unit.keyframe:
                    group = group_of(stamp_us)
                track.write(unit.payload, stamp_us, keyframe=unit.keyframe, group=group)
                told.pts_us[name].append(stamp_us)

    broadcast.announce()
    tasks = [asyncio.ensure_future(publisher.run())]
    tasks += [asyncio.ensure_future(play(name, units)) for name, units in {**tracks, "aac": sound}.items()]
    try:
        yield told
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def recorder_spec(relay: Endpoint, store: str, **changes: Any) -> dict[str, Any]:
    return {
        "recording_id": RECORDING,
        "channel_id": "ch_1",
        "tenant_id": "tn_1",
        "space": SPACE,
        "grant": service_grant(),
        "origins": [{"url": relay.url, "certificate_sha256": list(relay.certificate_sha256)}],
        "store": store,
        "renditions": "all",
        "finish": False,
        **changes,
    }


def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")
