"""Pulls and pushes over SRT: a recent ffmpeg as the far side, our own station's door, and no library at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import imageio_ffmpeg
import pytest
from av.container import InputContainer

from skyriver.services.live.relaying import srt_link, srt_push
from skyriver.services.live.stations import VideoFrame
from skyriver.services.live.stations.srt import SrtMissing
from skyriver.services.live.workloads import push
from tests.fabric.rig import running_relay
from tests.services.live.relaying.test_pull import pictures, pulling, sounds
from tests.services.live.relaying.test_push import show, spec
from tests.services.live.stations.rtmp.doors import Recorder, door
from tests.services.live.stations.srt.test_server import SECRET, missing
from tests.services.live.stations.srt.test_server import door as srt_door
from tests.services.live.workloads.harness import running

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
needs_libsrt = pytest.mark.skipif(missing(), reason="libsrt is not installed")
PICTURE = ("-re", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-f", "lavfi", "-i", "sine")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def ffmpeg(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running ffmpeg, killed at the block's end if it is still there."""
    process = await asyncio.create_subprocess_exec(
        FFMPEG, "-v", "error", "-nostdin", "-y", *arguments, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@needs_libsrt
async def test_an_encrypted_listener_is_pulled_and_pulled_again_when_it_returns(tmp_path: Path) -> None:
    recorder, port = Recorder(), free_port()
    listener = (
        *PICTURE,
        *H264,
        "-c:a",
        "mp2",
        "-f",
        "mpegts",
        f"srt://127.0.0.1:{port}?mode=listener&passphrase={SECRET}",
    )
    url = f"srt://127.0.0.1:{port}?passphrase={SECRET}&streamid=%23!::r=camera"
    async with door(recorder) as station, pulling(url, station.port, tmp_path) as child:
        async with ffmpeg(*listener):
            said = await child.says("metrics", lambda m: m["state"] == "running" and m["fps"] > 10)
        gone = await child.says("metrics", lambda m: m["state"] == "retrying")
        await recorder.done.get()
        async with ffmpeg(*listener):
            await child.says("metrics", lambda m: m["state"] == "running" and m["fps"] > 10)
    assert (said["video"], said["audio"], said["encodes_audio"]) == ("h264", "mp2", True)
    assert str(port) in gone["error"] or "127.0.0.1" in gone["error"]
    assert SECRET not in str(child.events)
    events = recorder.publications[0][1]
    assert pictures(events)[0].keyframe
    assert abs(sounds(events)[-1].pts_ms - pictures(events)[-1].dts_ms) < 500


@needs_libsrt
@pytest.mark.parametrize(("options", "why"), [("", "passphrase"), ("passphrase=another-secret", "passphrase")])
async def test_a_wrong_passphrase_is_said(tmp_path: Path, options: str, why: str) -> None:
    port = free_port()
    listener = (*PICTURE, *H264, "-f", "mpegts", f"srt://127.0.0.1:{port}?mode=listener&passphrase={SECRET}")
    url = f"srt://127.0.0.1:{port}?{options}"
    async with ffmpeg(*listener), door(Recorder()) as station, pulling(url, station.port, tmp_path) as child:
        said = await child.says("metrics", lambda m: m["state"] == "retrying" and why in m["error"])
    assert "another-secret" not in str(said)


@needs_libsrt
async def test_a_push_reaches_an_encrypted_listener(tmp_path: Path) -> None:
    port, taken = free_port(), tmp_path / "taken.ts"
    listener = ("-i", f"srt://127.0.0.1:{port}?mode=listener&passphrase={SECRET}", "-c", "copy", str(taken))
    async with running_relay(tmp_path) as relay, show(relay.endpoint), ffmpeg(*listener) as far:
        to = spec(relay.endpoint, f"srt://127.0.0.1:{port}?passphrase={SECRET}", "")
        async with running(push.main, to, tmp_path) as child:
            said = await child.says("metrics", lambda m: m["bytes_sent"] > 150_000)
            child.tell("drain")
            usage = await child.says("usage")
        await far.wait()
    assert (said["state"], said["rendition"]) == ("running", "source")
    assert usage["bytes_sent"] > 0
    with av.open(str(taken)) as film:
        assert isinstance(film, InputContainer)
        kinds = {stream.codec_context.name for stream in film.streams}
        decoded = len(list(film.decode(video=0)))
    assert kinds == {"h264", "aac"}
    assert decoded > 25


@needs_libsrt
async def test_a_push_enters_a_station_with_its_stream_id(tmp_path: Path) -> None:
    recorder = Recorder()
    async with running_relay(tmp_path) as relay, show(relay.endpoint), srt_door(recorder) as station:
        async with running(
            push.main, spec(relay.endpoint, f"srt://127.0.0.1:{station.port}", "bad"), tmp_path
        ) as child:
            refused = await child.says("metrics", lambda m: m["state"] == "retrying")
        url = f"srt://127.0.0.1:{station.port}?passphrase={SECRET}"
        async with running(push.main, spec(relay.endpoint, url, "sealed"), tmp_path) as child:
            await child.says("metrics", lambda m: m["state"] == "running" and m["fps"] > 20)
        _, events = await recorder.done.get()
    assert "stream id" in refused["error"]
    frames = [event for event in events if isinstance(event, VideoFrame)]
    assert frames[0].keyframe
    assert len({frame.pts_ms - frame.dts_ms for frame in frames}) > 1, "B-frames were sent"


async def test_without_the_library_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise SrtMissing("SRT needs the system library libsrt, which is not on this machine.", hint="apt install x")

    for module in (srt_link, srt_push):
        monkeypatch.setattr(module, "load", absent)
    async with running_relay(tmp_path) as relay, door(Recorder()) as station:
        async with pulling("srt://127.0.0.1:9", station.port, tmp_path) as child:
            pulled = await child.says("metrics", lambda m: m["state"] == "retrying")
        async with running(push.main, spec(relay.endpoint, "srt://127.0.0.1:9", "key"), tmp_path) as child:
            pushed = await child.says("metrics", lambda m: m["state"] == "retrying")
    assert "libsrt" in pulled["error"]
    assert "apt install" in pushed["error"]


async def test_private_addresses_need_the_operators_leave(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay, door(Recorder()) as station:
        async with pulling("srt://127.0.0.1:9", station.port, tmp_path, allow_private=False) as child:
            pulled = await child.says("metrics", lambda m: m["state"] == "retrying")
        to = spec(relay.endpoint, "srt://localhost:9", "key") | {"allow_private": False}
        async with running(push.main, to, tmp_path) as child:
            pushed = await child.says("metrics", lambda m: m["state"] == "retrying")
    assert "private network" in pulled["error"]
    assert "private network" in pushed["error"]
