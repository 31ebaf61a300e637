"""`live.push` between a real relay and real far sides: our own station, and nginx."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from skyriver.fabric import AudioTrack, Broadcast, Catalog, Endpoint, MediaTrack, Publisher, VideoTrack
from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.avc import avc3_codec
from skyriver.services.live.media.groups import AudioCutter, GroupCutter
from skyriver.services.live.stations import AudioFrame, MediaEvent, VideoConfig, VideoFrame
from skyriver.services.live.workloads import push
from tests.fabric.rig import SPACE, running_relay, service_grant, viewer_grant
from tests.services.live.media import samples
from tests.services.live.relaying.far_sides import NGINX, nginx
from tests.services.live.stations.rtmp.doors import Recorder, door
from tests.services.live.workloads.harness import running

FPS = 30
needs_nginx = pytest.mark.skipif(
    NGINX is None or shutil.which("ffprobe") is None, reason="nginx with its RTMP module, or ffprobe, is not installed"
)


def spec(relay: Endpoint, url: str, key: str, rendition: str = "source") -> dict[str, Any]:
    return {
        "channel_id": "ch_1",
        "destination_id": "ds_1",
        "space": SPACE,
        "grant": viewer_grant(),
        "origins": [{"url": relay.url, "certificate_sha256": list(relay.certificate_sha256)}],
        "url": url,
        "key": key,
        "rendition": rendition,
        "allow_private": True,
    }


@dataclass
class Show:
    """A show that runs, with the video tracks that are written."""

    broadcast: Broadcast
    videos: dict[str, MediaTrack]


@asynccontextmanager
async def show(relay: Endpoint) -> AsyncIterator[Show]:
    """A channel's `live`: the source with B-frames, a smaller rendition, and AAC, in real time and in a loop."""
    loop = asyncio.get_running_loop()
    tracks = {
        "source": samples.video(2, width=640, height=360, gop=30, bframes=2, start_us=0),
        "180p": samples.video(2, width=320, height=180, gop=30, start_us=0),
    }
    aac = samples.sound(2, start_us=0)
    publisher = Publisher([relay], SPACE, lambda: service_grant())
    broadcast = publisher.broadcast("live")
    video = {
        name: broadcast.video(name, VideoTrack(avc3_codec(units[0].payload) or "", 640 // n, 360 // n, FPS))
        for n, (name, units) in enumerate(tracks.items(), start=1)
    }
    audio = broadcast.audio("aac", AudioTrack("mp4a.40.2", 44_100, 2, aac.config))

    async def play() -> None:
        cutters, audio_cutter = {name: GroupCutter() for name in tracks}, AudioCutter()
        begin_s, begin_us = loop.time(), MediaClock().now_us()
        for turn in range(1_000):
            pending = list(aac.units)
            for index in range(len(tracks["source"])):
                for name in tuple(video):
                    unit = tracks[name][index]
                    pts_us = begin_us + unit.pts_us + turn * 2_000_000
                    group = cutters[name].cut(pts_us, keyframe=unit.keyframe)
                    video[name].write(unit.payload, pts_us, keyframe=unit.keyframe, group=group)
                while pending and pending[0].pts_us <= tracks["source"][index].pts_us:
                    frame = pending.pop(0)
                    audio_us = begin_us + frame.pts_us + turn * 2_000_000
                    audio.write(frame.payload, audio_us, group=audio_cutter.cut(audio_us)[0])
                ahead_s = begin_s + (turn * len(tracks["source"]) + index) / FPS - loop.time()
                await asyncio.sleep(max(ahead_s, 0))  # a publisher's pace, not a wait for something to happen

    broadcast.announce()
    tasks = [asyncio.ensure_future(publisher.run()), asyncio.ensure_future(play())]
    try:
        yield Show(broadcast, video)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def played(url: str) -> set[str]:
    """The codecs of a stream, by the ffprobe command."""
    asked = ("ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", url)
    probe = await asyncio.create_subprocess_exec(*asked, stdout=asyncio.subprocess.PIPE)
    told, _ = await probe.communicate()
    return set(told.decode().split())


def sizes(events: list[MediaEvent]) -> list[tuple[int, int]]:
    return [(event.width, event.height) for event in events if isinstance(event, VideoConfig)]


async def test_a_push_brings_whole_pictures_in_order(tmp_path: Path) -> None:
    recorder = Recorder()
    async with running_relay(tmp_path) as relay, show(relay.endpoint), door(recorder) as station:
        async with running(
            push.main, spec(relay.endpoint, f"rtmp://127.0.0.1:{station.port}/live", "good"), tmp_path
        ) as child:
            said = await child.says("metrics", lambda m: m["state"] == "running" and m["fps"] > 20)
            child.tell("drain")
            usage = await child.says("usage")
        _, events = await recorder.done.get()
    assert said["rendition"] == "source"
    assert usage["space"] == "push/ch_1"
    assert usage["bytes_sent"] > 10_000
    assert sizes(events) == [(640, 360)]
    pictures = [event for event in events if isinstance(event, VideoFrame)]
    assert pictures[0].keyframe
    assert all(b.dts_ms > a.dts_ms for a, b in pairwise(pictures))
    assert len({p.pts_ms - p.dts_ms for p in pictures}) > 1, "B-frames were sent"
    decoder = av.CodecContext.create("h264", "r")
    decoded = [frame for p in pictures for frame in decoder.decode(av.Packet(p.payload))]
    assert len(decoded) > len(pictures) - 5
    sound = [event for event in events if isinstance(event, AudioFrame)]
    assert abs(sound[-1].pts_ms - pictures[-1].pts_ms) < 500


async def test_a_wrong_key_is_said_in_the_far_sides_words_and_never_shown(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay, show(relay.endpoint), door(Recorder()) as station:
        to = spec(relay.endpoint, f"rtmp://127.0.0.1:{station.port}/live", "wrong-key")
        async with running(push.main, to, tmp_path) as child:
            said = await child.says("metrics", lambda m: m["state"] == "retrying")
    assert "This stream key is not known here" in said["error"]
    assert "wrong-key" not in str(child.events)


async def test_another_rendition_takes_over_without_a_new_connection(tmp_path: Path) -> None:
    recorder = Recorder()
    async with running_relay(tmp_path) as relay, show(relay.endpoint), door(recorder) as station:
        to = spec(relay.endpoint, f"rtmp://127.0.0.1:{station.port}/live", "good")
        async with running(push.main, to, tmp_path) as child:
            await child.says("metrics", lambda m: m["state"] == "running" and m["fps"] > 0)
            child.tell("spec", spec=to | {"rendition": "180p"})
            await child.says("metrics", lambda m: m["rendition"] == "180p" and m["fps"] > 20)
        _, events = await recorder.done.get()
    assert sizes(events) == [(640, 360), (320, 180)]
    assert len(recorder.publications) == 1


async def test_a_rendition_that_is_offered_no_more_is_sent_until_it_ends(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay, show(relay.endpoint) as live, door(Recorder()) as station:
        to = spec(relay.endpoint, f"rtmp://127.0.0.1:{station.port}/live", "good", "180p")
        async with running(push.main, to, tmp_path) as child:
            await child.says("metrics", lambda m: m["rendition"] == "180p" and m["fps"] > 20)
            live.broadcast.remove("180p")
            later = [await child.says("metrics") for _ in range(3)]
            assert [said["rendition"] for said in later] == ["180p"] * 3
            assert later[-1]["fps"] > 20
            del live.videos["180p"]
            await child.says("metrics", lambda m: m["rendition"] == "source" and m["fps"] > 20)


@needs_nginx
async def test_nginx_takes_it_and_gets_it_again_after_it_was_killed(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        show(relay.endpoint),
        nginx(tmp_path) as far,
        running(push.main, spec(relay.endpoint, f"rtmp://127.0.0.1:{far.port}/app", "key-of-ours"), tmp_path) as child,
    ):
        await child.says("metrics", lambda m: m["state"] == "running" and m["fps"] > 0)
        await far.kill()
        lost = await child.says("metrics", lambda m: m["state"] == "retrying")
        await far.start()
        await child.says("metrics", lambda m: m["state"] == "running" and m["fps"] > 0)
        assert await played(f"rtmp://127.0.0.1:{far.port}/app/key-of-ours") == {"h264", "aac"}
    assert str(far.port) in lost["error"]


@needs_nginx
async def test_a_far_side_that_hangs_up_on_a_key_says_so(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        show(relay.endpoint),
        nginx(tmp_path) as far,
        running(push.main, spec(relay.endpoint, f"rtmp://127.0.0.1:{far.port}/guarded", "bad"), tmp_path) as child,
    ):
        said = await child.says("metrics", lambda m: m["state"] == "retrying")
    assert "stream key" in said["error"] or "refused" in said["error"]


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [("source", "source"), ("720p", "480p"), ("480p", "480p"), ("360p", "270p"), ("100p", "270p")],
)
def test_the_rendition_is_the_one_wanted_or_the_next_smaller(wanted: str, chosen: str) -> None:
    offered = {
        "source": VideoTrack("avc3.640028", 1920, 1080),
        "480p": VideoTrack("avc3.64001f", 854, 480),
        "270p": VideoTrack("avc3.64001f", 480, 270),
    }
    assert push.choose_rendition(offered, wanted) == chosen


def test_what_rtmp_does_not_carry_is_not_chosen() -> None:
    offered = Catalog({"source": VideoTrack("hev1.1.6.L93", 1920, 1080), "480p": VideoTrack("avc3.64001f", 854, 480)})
    assert push.choose_rendition(offered.video, "source") == "480p"
    assert push.choose_rendition({"source": offered.video["source"]}, "source") is None
    assert push.choose_rendition({}, "source") is None
