"""The station behind its other doors: SRT, RTMPS, sound alone, and publishers that send too much."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from skyriver.fabric import Endpoint
from skyriver.services.live.stations.srt import SrtMissing, library, load
from skyriver.services.live.workloads import station
from tests.fabric.rig import running_relay
from tests.services.live.stations.mpegts.muxed import transport_stream
from tests.services.live.stations.srt.caller import Caller
from tests.services.live.workloads.harness import Child, running
from tests.services.live.workloads.publishers import AAC, H264, PICTURE, SOUND, needs_ffmpeg, pushing
from tests.services.live.workloads.test_station import INGEST, KEY, spec
from tests.services.live.workloads.watching import watching


def missing() -> bool:
    try:
        load()
    except SrtMissing:
        return True
    return False


pytestmark = [pytest.mark.ffmpeg, needs_ffmpeg]
DOORS = {"rtmps_port": 0, "srt_port": 0, "srt_latency_ms": 60}


@asynccontextmanager
async def a_station(
    tmp_path: Path, doors: dict[str, int] = DOORS, **changes: Any
) -> AsyncIterator[tuple[Child, dict[str, Any], Endpoint]]:
    """A station with a relay behind it: its process, what it said when it was ready, and the relay's address."""
    async with running_relay(tmp_path / "relay") as relay:
        told = spec(relay.endpoint)
        channels = [{**channel, **changes} for channel in told["channels"]]
        told |= {"doors": doors, "channels": channels}
        async with running(station.main, told, tmp_path) as child:
            yield child, await child.says("ready"), relay.endpoint


@pytest.mark.skipif(missing(), reason="libsrt is not installed")
@pytest.mark.parametrize(("encoder", "codec"), [("libx264", "avc3."), ("libx265", "hev1.")])
async def test_a_push_over_srt_becomes_a_broadcast(tmp_path: Path, encoder: str, codec: str) -> None:
    async with (
        a_station(tmp_path) as (child, ready, relay),
        watching(relay, "main", INGEST) as watcher,
        Caller(ready["srt_port"], f"#!::r={KEY},m=publish") as caller,
    ):
        await caller.send(transport_stream(encoder))
        started = await child.says("input")
        assert await watcher.take("video", 20)
        metrics = await child.says("metrics", lambda m: bool(m["inputs"]))
    assert ready["problems"] == {}
    assert (started["state"], started["width"], started["codec"][:5]) == ("started", 320, codec)
    (seen,) = metrics["inputs"].values()
    assert (seen["loss_percent"], seen["audio"]) == (0, "mp4a.40.2")
    assert seen["latency_ms"] >= 60


@pytest.mark.skipif(missing(), reason="libsrt is not installed")
async def test_ports_that_are_taken_are_no_reason_to_stay_shut(tmp_path: Path) -> None:
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("127.0.0.1", 0))
        taken = {"rtmps_port": tcp.getsockname()[1], "srt_port": udp.getsockname()[1]}
        async with a_station(tmp_path, DOORS | taken) as (_, ready, _relay):
            pass
    assert ready["problems"] == {}
    assert all(ready[name] not in (0, port) for name, port in taken.items())


async def test_rtmps_is_the_same_door_within_tls(tmp_path: Path) -> None:
    async with (
        a_station(tmp_path) as (child, ready, _),
        pushing(f"rtmps://127.0.0.1:{ready['rtmps_port']}/live/{KEY}"),
    ):
        started = await child.says("input")
    assert started["state"] == "started"


async def test_a_station_without_libsrt_says_so_and_serves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing() -> None:
        raise SrtMissing("SRT needs libsrt.", hint="apt install it.")

    monkeypatch.setattr(library, "load", nothing)
    async with a_station(tmp_path) as (_, ready, _relay):
        pass
    assert ready["problems"] == {"srt": "SRT needs libsrt. apt install it."}
    assert "srt_port" not in ready and ready["rtmps_port"]


async def test_sound_alone_is_a_channel_too(tmp_path: Path) -> None:
    async with (
        a_station(tmp_path) as (child, ready, relay),
        watching(relay, "main", INGEST) as watcher,
        pushing(f"rtmp://127.0.0.1:{ready['rtmp_port']}/live/{KEY}", inputs=SOUND, codecs=AAC),
    ):
        started = await child.says("input")
        catalog = await watcher.catalog()
        assert await watcher.take("audio", 20)
        metrics = await child.says("metrics", lambda m: bool(m["inputs"]))
    assert (started["state"], started["codec"], started["audio"]) == ("started", "", "mp4a.40.2")
    assert set(catalog.audio) == {"audio"} and not catalog.video
    (seen,) = metrics["inputs"].values()
    assert seen["bitrate_bps"] > 0


async def test_a_publisher_over_its_limit_is_ended_with_a_message(tmp_path: Path) -> None:
    """A hundred times what is allowed."""
    heavy = [*H264, "-b:v", "10M", "-minrate", "10M", "-maxrate", "10M", "-bufsize", "1M", "-nal-hrd", "cbr"]
    async with (
        a_station(tmp_path, max_bitrate_bps=100_000) as (child, ready, _),
        pushing(f"rtmp://127.0.0.1:{ready['rtmp_port']}/live/{KEY}", inputs=PICTURE, codecs=heavy) as publisher,
    ):
        ended = await child.says("input", lambda e: e["state"] != "started")
        assert await publisher.wait() != 0
    assert ended["reason"] == "refused"
    assert "over 0.1 Mbit/s, the channel's limit" in ended["message"]
