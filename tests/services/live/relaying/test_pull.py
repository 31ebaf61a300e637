"""`live.pull` from real sources into the real RTMP door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from skyriver.platform.objects import open_store
from skyriver.services.live.media_files.storage import StoredFile, write_file
from skyriver.services.live.stations import AudioConfig, AudioFrame, MediaEvent, VideoConfig, VideoFrame
from skyriver.services.live.workloads import pull
from tests.services.live.media_files.films import film
from tests.services.live.relaying.far_sides import NGINX, nginx
from tests.services.live.relaying.sources import camera, files, has_camera, make
from tests.services.live.stations.rtmp.doors import Recorder, door
from tests.services.live.workloads.harness import Child, running
from tests.services.live.workloads.publishers import needs_ffmpeg, pushing

pytestmark = needs_ffmpeg


def spec(url: str, port: int, **other: Any) -> dict[str, Any]:
    door_url = f"rtmp://127.0.0.1:{port}/live"
    base = {"channel_id": "ch_1", "url": url, "key": "good", "loop": False, "rtmp_url": door_url, "allow_private": True}
    return base | other


def pulling(url: str, port: int, folder: Path, **other: Any) -> AbstractAsyncContextManager[Child]:
    return running(pull.main, spec(url, port, **other), folder)


def pictures(events: list[MediaEvent]) -> list[VideoFrame]:
    found = [event for event in events if isinstance(event, VideoFrame)]
    assert all(b.dts_ms > a.dts_ms for a, b in pairwise(found)), "times only grow"
    return found


def sounds(events: list[MediaEvent]) -> list[AudioFrame]:
    found = [event for event in events if isinstance(event, AudioFrame)]
    assert all(b.pts_ms >= a.pts_ms for a, b in pairwise(found))
    return found


async def test_a_file_is_played_in_a_loop_without_a_jump(tmp_path: Path) -> None:
    make(tmp_path, "film.mp4", "-c:a", "aac")
    recorder = Recorder()
    async with door(recorder) as station:
        with files(tmp_path) as address:
            async with pulling(f"{address}/film.mp4", station.port, tmp_path, loop=True) as child:
                while len(recorder.publications) < 1 or len(recorder.publications[0][1]) < 300:
                    said = await child.says("metrics")
        _, events = await recorder.done.get()
    assert (said["state"], said["video"], said["audio"], said["width"]) == ("running", "h264", "aac", 320)
    frames = pictures(events)
    assert len(frames) > 60, "more than the film has"
    assert max(b.dts_ms - a.dts_ms for a, b in pairwise(frames)) <= 120
    assert abs(sounds(events)[-1].pts_ms - frames[-1].dts_ms) < 300
    assert sum(isinstance(event, VideoConfig) for event in events) == 1


async def test_hls_is_followed_and_its_sound_encoded(tmp_path: Path) -> None:
    make(tmp_path, "index.m3u8", "-c:a", "mp2", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0", seconds=4)
    recorder = Recorder()
    async with door(recorder) as station:
        with files(tmp_path) as address:
            # A password in the URL goes to its host, and nowhere else.
            url = address.replace("://", "://user:pa55word@") + "/index.m3u8?token=tok-en"
            async with pulling(url, station.port, tmp_path) as child:
                said = await child.says("metrics", lambda m: m["state"] == "running" and m["fps"] > 0)
                over = await child.says("metrics", lambda m: m["state"] == "retrying")
        _, events = await recorder.done.get()
    assert (said["audio"], said["encodes_audio"]) == ("mp2", True)
    assert len(pictures(events)) > 95
    assert any(isinstance(event, AudioConfig) and event.codec == "mp4a.40.2" for event in events)
    assert "come to its end" in over["error"]
    assert not {"pa55word", "tok-en"} & set(str(child.events).replace("'", " ").split())


@pytest.mark.skipif(not has_camera(), reason="GStreamer's RTSP server is not installed")
async def test_a_camera_over_rtsp_with_a_password_and_g711(tmp_path: Path) -> None:
    recorder = Recorder()
    async with door(recorder) as station, camera() as port:
        wrong = f"rtsp://user:wr0ng@127.0.0.1:{port}/camera"
        async with pulling(wrong, station.port, tmp_path) as child:
            refused = await child.says("metrics", lambda m: m["state"] == "retrying")
            child.tell("spec", spec=spec(wrong.replace("wr0ng", "pa55word"), station.port))
            said = await child.says("metrics", lambda m: m["state"] == "running" and m["fps"] > 10)
        _, events = await recorder.done.get()
    assert "wr0ng" not in str(child.events)
    assert refused["error"]
    assert (said["video"], said["audio"]) == ("h264", "pcm_alaw")
    assert pictures(events)[0].keyframe
    assert {b.pts_ms - a.pts_ms for a, b in pairwise(sounds(events))} <= {127, 128, 21, 22, 23}


@pytest.mark.skipif(NGINX is None, reason="nginx with its RTMP module is not installed")
async def test_another_server_over_rtmp_and_its_return(tmp_path: Path) -> None:
    recorder = Recorder()
    async with door(recorder) as station, nginx(tmp_path) as far:
        url = f"rtmp://127.0.0.1:{far.port}/app/show"
        async with pulling(url, station.port, tmp_path) as child:
            async with pushing(url):
                await child.says("metrics", lambda m: m["state"] == "running" and m["fps"] > 0)
            await far.kill()
            gone = await child.says("metrics", lambda m: m["state"] == "retrying")
            await recorder.done.get()
            await far.start()
            async with pushing(url):
                await child.says("metrics", lambda m: m["state"] == "running" and m["fps"] > 0)
        _, events = await recorder.done.get()
    assert str(far.port) in gone["error"]
    assert pictures(events)


async def test_a_playlist_cannot_name_files_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "secret.ts").write_bytes(make(tmp_path, "a.ts", "-c:a", "aac").read_bytes())
    lines = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{name}\n#EXT-X-ENDLIST\n"
    hostile = {
        "file": f"file://{tmp_path}/secret.ts",
        "path": str(tmp_path / "secret.ts"),
        "concat": f"concat:{tmp_path}/secret.ts",
        "subfile": f"subfile,,start,0,end,0,,:{tmp_path}/secret.ts",
        "crypto": f"crypto+file://{tmp_path}/secret.ts",
        "away": "/away/file:///etc/passwd",
    }
    for name, target in hostile.items():
        (tmp_path / f"{name}.m3u8").write_text(lines.format(name=target))
    recorder = Recorder()
    async with door(recorder) as station:
        with files(tmp_path) as address:
            for name in hostile:
                async with pulling(f"{address}/{name}.m3u8", station.port, tmp_path) as child:
                    said = await child.says("metrics", lambda m: m["state"] == "retrying")
                assert said["error"], name
    assert recorder.publications == []


async def test_private_addresses_need_the_operators_leave(tmp_path: Path) -> None:
    async with door(Recorder()) as station:
        with files(tmp_path) as address:
            for url in (f"{address}/film.mp4", "rtsp://localhost:8554/camera", "rtmp://127.0.0.1/app/x"):
                async with pulling(url, station.port, tmp_path, allow_private=False) as child:
                    said = await child.says("metrics", lambda m: m["state"] == "retrying")
                assert "private network" in said["error"], url


async def test_what_is_not_h264_is_named(tmp_path: Path) -> None:
    await asyncio.to_thread(make, tmp_path, "film.mkv", "-c:v", "mpeg4", "-c:a", "aac")
    async with door(Recorder()) as station:
        with files(tmp_path) as address:
            async with pulling(f"{address}/film.mkv", station.port, tmp_path) as child:
                said = await child.says("metrics", lambda m: m["state"] == "retrying")
            async with pulling(f"{address}/nothing.mp4", station.port, tmp_path) as child:
                missing = await child.says("metrics", lambda m: m["state"] == "retrying")
    assert "mpeg4" in said["error"]
    assert "404" in missing["error"]


async def stored(folder: Path, body: bytes) -> dict[str, Any]:
    """A film in an object store, as a pull is told of it."""

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    store = open_store(f"file://{folder / 'objects'}?reserve_bytes=0")
    await write_file(store, "media-files/t/f", chunks(), most_bytes=1 << 30)
    return StoredFile(store.url, "media-files/t/f", len(body)).spec()


async def test_an_uploaded_file_is_played_in_a_loop_without_a_jump(tmp_path: Path) -> None:
    recorder, file = Recorder(), await stored(tmp_path, film(seconds=2))
    async with door(recorder) as station, pulling("", station.port, tmp_path, file=file, loop=True) as child:
        while len(recorder.publications) < 1 or len(recorder.publications[0][1]) < 300:
            said = await child.says("metrics")
    _, events = await recorder.done.get()
    assert (said["state"], said["video"]) == ("running", "h264")
    frames = pictures(events)
    assert len(frames) > 60, "more than the film has"
    assert max(b.dts_ms - a.dts_ms for a, b in pairwise(frames)) <= 120
    assert abs(sounds(events)[-1].pts_ms - frames[-1].dts_ms) < 300


async def test_an_uploaded_file_is_played_once(tmp_path: Path) -> None:
    recorder, file = Recorder(), await stored(tmp_path, film(seconds=2))
    async with door(recorder) as station, pulling("", station.port, tmp_path, file=file) as child:
        ended = await child.says("metrics", lambda m: m["state"] == "ended")
        _, events = await recorder.done.get()
        child.tell("spec", spec=spec("", station.port, file=file, loop=True))
        await child.says("metrics", lambda m: m["state"] == "running")
    assert ended["error"] == ""
    assert len(pictures(events)) == 50
