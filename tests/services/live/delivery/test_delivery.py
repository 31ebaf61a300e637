"""The workload between a real relay and real players."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from skyriver.fabric import Endpoint
from skyriver.services.live.workloads import delivery
from tests.fabric.rig import JWKS, SIGNER, running_relay, start_relay, viewer_grant
from tests.services.live.delivery.show import on_air
from tests.services.live.workloads.harness import Child, running
from tests.services.live.workloads.publishers import needs_ffmpeg


def spec(relay: Endpoint) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "advertise_host": "127.0.0.1",
        "relays": [{"url": relay.url, "certificate_sha256": list(relay.certificate_sha256)}],
        "origins": [],
        "grant": SIGNER.sign(root="live", get=[""], cluster=True, lifetime=timedelta(minutes=5)),
    }


@asynccontextmanager
async def edge(relay: Endpoint, folder: Path, wanted: dict[str, Any] | None = None) -> AsyncIterator[tuple[Child, str]]:
    """The workload, and a viewer's multivariant playlist there."""
    async with running(delivery.main, wanted or spec(relay), folder) as child:
        child.tell("keys", jwks=JWKS)
        ready = await child.says("ready")
        yield child, f"{ready['url']}/hls/{viewer_grant()}/ch_1/index.m3u8"


async def get(url: str) -> bytes:
    def fetch() -> bytes:
        with urllib.request.urlopen(url, timeout=20) as response:
            return bytes(response.read())

    return await asyncio.to_thread(fetch)


async def test_a_channel_comes_out_of_the_fabric_for_its_first_viewer(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as relay, on_air(relay.endpoint), edge(relay.endpoint, tmp_path) as (child, url):
        variants = (await get(url)).decode()
        assert "180p/index.m3u8" in variants
        assert 'URI="aac/index.m3u8"' in variants
        assert "source/index.m3u8" in variants
        playlist = (await get(url.replace("index.m3u8", "180p/index.m3u8"))).decode()
        segment = next(line for line in playlist.splitlines() if line.endswith(".m4s") and not line.startswith("#"))
        content = await get(url.replace("index.m3u8", f"180p/{segment}"))
        metrics = await child.says("metrics", lambda said: said["egress_bps"] > len(content))
        assert metrics["viewers_by_space"] == {"live/ch_1": 1}
        assert metrics["viewers_by_rendition"] == {"live/ch_1": {"180p": 1}}
        assert metrics["channels"] == 1
    usage = [said for said in child.events if said["event"] == "usage"]
    await asyncio.sleep(0)
    assert all(said["space"] == "live/ch_1" and said["source"].startswith("hls/") for said in usage)


async def test_a_track_that_is_offered_no_more_goes_on_for_those_who_play_it(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        on_air(relay.endpoint) as show,
        edge(relay.endpoint, tmp_path) as (_, url),
    ):
        await get(url)
        show.withhold("180p")
        track = url.replace("index.m3u8", "180p/index.m3u8")
        for _ in range(2):
            newest = int(re.findall(r"(\d+)\.\d+\.m4s", (await get(track)).decode())[-1])
            later = (await get(f"{track}?_HLS_msn={newest + 1}")).decode()
            assert f"\n{newest + 1}.m4s\n" in later
        assert "180p" not in (await get(url)).decode()
        assert "../180p/" not in (await get(url.replace("index.m3u8", "source/index.m3u8"))).decode()


async def test_two_edges_serve_the_same_bytes_under_the_same_names(tmp_path: Path) -> None:
    async with (
        running_relay(tmp_path) as relay,
        on_air(relay.endpoint),
        edge(relay.endpoint, tmp_path / "a") as (_, first),
    ):
        await get(first)
        async with edge(relay.endpoint, tmp_path / "b") as (_, second):
            await get(second)
            for track in ("180p", "aac"):
                there, here = (url.replace("index.m3u8", track) for url in (second, first))
                lines = (await get(f"{there}/index.m3u8")).decode().splitlines()
                names = [line for line in lines if line.endswith(".m4s") and not line.startswith("#")]
                names += [line.split('"')[1] for line in lines if line.startswith("#EXT-X-MAP")]
                assert len(names) >= 2
                for name in names:
                    assert await get(f"{there}/{name}") == await get(f"{here}/{name}")


async def test_a_relay_that_dies_is_gone_round(tmp_path: Path) -> None:
    async with running_relay(tmp_path) as origin, on_air(origin.endpoint):
        relay = await start_relay(tmp_path / "relay", (origin.endpoint,))
        wanted = spec(relay.endpoint) | {"origins": spec(origin.endpoint)["relays"]}
        async with edge(relay.endpoint, tmp_path / "edge", wanted) as (_, url):
            await get(url)
            await relay.stop()
            playlist = (await get(url.replace("index.m3u8", "180p/index.m3u8"))).decode()
            newest = int(re.findall(r"(\d+)\.\d+\.m4s", playlist)[-1])
            later = url.replace("index.m3u8", f"180p/index.m3u8?_HLS_msn={newest + 1}")
            assert f"\n{newest + 1}.m4s\n" in (await get(later)).decode()


@needs_ffmpeg
@pytest.mark.ffmpeg
@pytest.mark.parametrize("name", ["index.m3u8", "manifest.mpd"])
async def test_ffmpeg_plays_it(tmp_path: Path, name: str) -> None:
    async with running_relay(tmp_path) as relay, on_air(relay.endpoint), edge(relay.endpoint, tmp_path) as (_, url):
        process = await asyncio.create_subprocess_exec(
            *("ffmpeg", "-v", "error", "-t", "5", "-i", url.replace("index.m3u8", name)),
            *("-map", "0", "-c", "copy", "-f", "framecrc", "-"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(30):
                out, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    lines = out.decode().splitlines()
    codecs = [line.rsplit(" ", 1)[1] for line in lines if line.startswith("#codec_id")]
    assert sorted(codecs) == ["aac", "h264", "h264"]
    packets = [line.split(",")[0] for line in lines if not line.startswith("#")]
    assert all(packets.count(str(stream)) >= 60 for stream in range(3)), errors.decode()
