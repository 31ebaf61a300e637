"""The station with real encoders in front and a real relay behind."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from skyriver.fabric import Catalog, Endpoint, MediaFrame
from skyriver.services.live.stations import key_sha256
from skyriver.services.live.workloads import station
from tests.fabric.rig import running_relay, service_grant
from tests.services.live.media import samples
from tests.services.live.workloads.harness import Child, running
from tests.services.live.workloads.publishers import AAC, H264, PICTURE, SOUND, needs_ffmpeg, pushing
from tests.services.live.workloads.watching import Watcher, watching

pytestmark = [pytest.mark.ffmpeg, needs_ffmpeg]

INGEST = "ingest/ch_1"
KEY, OTHER_KEY = "sky_pub_one", "sky_pub_two"


def spec(relay: Endpoint, *, keys: tuple[str, ...] = (KEY, OTHER_KEY), takeover: str = "first_wins") -> dict[str, Any]:
    channel = {
        "channel_id": "ch_1",
        "tenant_id": "tn_1",
        "space": INGEST,
        "key_sha256": [key_sha256(key) for key in keys],
        "takeover": takeover,
        "grant": service_grant(INGEST),
    }
    origin = {"url": relay.url, "certificate_sha256": list(relay.certificate_sha256)}
    return {"host": "127.0.0.1", "rtmp_port": 0, "origins": [origin], "channels": [channel]}


@asynccontextmanager
async def a_station(tmp_path: Path, **changes: Any) -> AsyncIterator[tuple[Child, str, Endpoint, Watcher]]:
    """A relay, a station that publishes to it, and somebody who watches `src`."""
    async with (
        running_relay(tmp_path / "relay") as relay,
        running(station.main, spec(relay.endpoint, **changes), tmp_path) as child,
    ):
        port = (await child.says("ready"))["rtmp_port"]
        async with watching(relay.endpoint, "main", INGEST) as watcher:
            yield child, f"rtmp://127.0.0.1:{port}/live", relay.endpoint, watcher


def grows(frames: list[MediaFrame]) -> bool:
    return all(a.group <= b.group for a, b in pairwise(frames))


async def test_a_push_becomes_src(tmp_path: Path) -> None:
    async with a_station(tmp_path) as (child, url, _, watcher), pushing(f"{url}/{KEY}"):
        started = await child.says("input")
        video = await watcher.take("video", 75)
        sound = await watcher.take("audio", 50)
        catalog: Catalog = await watcher.catalog()
        metrics = await child.says("metrics", lambda m: m["inputs"].get("ch_1/main", {}).get("gop_s", 0) > 0)
    assert started["state"] == "started"
    assert (started["width"], started["height"], started["codec"][:5]) == (640, 360, "avc3.")
    assert set(catalog.video) == {"video"} and set(catalog.audio) == {"audio"}
    assert (catalog.audio["audio"].codec, catalog.audio["audio"].sample_rate_hz) == ("mp4a.40.2", 44_100)
    assert grows(video) and grows(sound)
    assert video[0].keyframe
    pictures = samples.decode_video([(f.pts_us, f.payload) for f in video])
    assert len(pictures) == 75
    assert [p.pts for p in pictures] == sorted(f.pts_us for f in video)  # B-frames: shown in another order than sent
    assert [f.pts_us for f in video] != sorted(f.pts_us for f in video)
    assert abs(video[-1].pts_us - time.time_ns() // 1000) < 10_000_000
    seen = metrics["inputs"]["ch_1/main"]
    assert seen["gop_s"] == pytest.approx(1.5, abs=0.01)
    assert (seen["audio"], seen["relays"]) == ("mp4a.40.2", 1)


async def test_a_publisher_that_comes_back_goes_on_in_the_same_tracks(tmp_path: Path) -> None:
    async with a_station(tmp_path) as (child, url, _, watcher):
        async with pushing(f"{url}/{KEY}"):
            first = await child.says("input", lambda e: e["state"] == "started")
            before = await watcher.take("video", 30)
        stopped = await child.says("input", lambda e: e["state"] == "stopped")
        smaller = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30"]
        async with pushing(f"{url}/{KEY}", inputs=[*smaller, *SOUND]):
            second = await child.says("input", lambda e: e["state"] == "started")
            after = await watcher.take("video", 90)
    assert stopped["since_us"] == first["since_us"] < second["since_us"]
    assert grows(before + after)
    newest = [f for f in after if f.group == after[-1].group]  # 90 frames are two GOPs: it begins among them
    assert newest[0].keyframe
    pictures = samples.decode_video([(f.pts_us, f.payload) for f in newest])
    assert {p.width for p in pictures} == {320}
    assert (second["width"], second["height"]) == (320, 240)


async def test_an_unknown_key_is_refused_and_others_are_not_disturbed(tmp_path: Path) -> None:
    async with a_station(tmp_path) as (child, url, _, watcher), pushing(f"{url}/{KEY}"):
        await child.says("input")
        async with pushing(f"{url}/sky_pub_wrong") as refused:
            assert await refused.wait() != 0
        assert await watcher.take("video", 5)
    assert [e for e in child.events if e["event"] == "input" and e["state"] == "refused"] == []


async def test_a_revoked_key_cuts_its_publisher(tmp_path: Path) -> None:
    async with a_station(tmp_path) as (child, url, relay, watcher), pushing(f"{url}/{KEY}") as publisher:
        await child.says("input")
        await watcher.take("video", 5)
        child.tell("spec", spec=spec(relay, keys=(OTHER_KEY,)))
        stopped = await child.says("input")
        assert (stopped["state"], stopped["reason"]) == ("stopped", "revoked")
        assert await publisher.wait() != 0


async def test_a_new_spec_leaves_publishers_alone_whose_key_is_still_good(tmp_path: Path) -> None:
    async with a_station(tmp_path) as (child, url, relay, watcher), pushing(f"{url}/{KEY}"):
        await child.says("input")
        child.tell("spec", spec=spec(relay, keys=(KEY, "sky_pub_three")))
        await watcher.take("video", 30)
        assert [e["state"] for e in child.events if e["event"] == "input"] == ["started"]


async def test_the_first_publisher_wins_by_default(tmp_path: Path) -> None:
    async with a_station(tmp_path) as (child, url, _, watcher), pushing(f"{url}/{KEY}") as first:
        await child.says("input")
        async with pushing(f"{url}/{OTHER_KEY}") as second:
            assert await second.wait() != 0
        await watcher.take("video", 5)
        assert first.returncode is None


async def test_a_second_publisher_takes_over_where_the_channel_says_so(tmp_path: Path) -> None:
    async with a_station(tmp_path, takeover="takeover") as (child, url, _, watcher), pushing(f"{url}/{KEY}") as first:
        await child.says("input")
        before = await watcher.take("video", 5)
        async with pushing(f"{url}/{OTHER_KEY}"):
            stopped = await child.says("input")
            started = await child.says("input")
            assert await first.wait() != 0
            after = await watcher.take("video", 60)
    assert (stopped["reason"], started["state"]) == ("replaced", "started")
    assert grows(before + after)


async def test_a_restart_with_a_clock_set_back_does_not_go_back(tmp_path: Path) -> None:
    mark_us = time.time_ns() // 1000 + 3600 * 1_000_000  # as if the clock had been an hour ahead before
    (tmp_path / "high-water.json").write_text(json.dumps({"ch_1/main": mark_us}))
    async with a_station(tmp_path) as (_, url, _, watcher), pushing(f"{url}/{KEY}"):
        video = await watcher.take("video", 30)
    assert video[0].pts_us > mark_us
    # Read at the speed of real time all the same: the jump is not mistaken for a publisher that runs ahead.
    assert video[-1].pts_us - video[0].pts_us < 2_000_000


async def test_a_file_pushed_without_pacing_is_slowed_to_real_time(tmp_path: Path) -> None:
    async with a_station(tmp_path) as (_, url, _, watcher):
        inputs = ["-readrate", "100", *PICTURE, "-t", "30"]
        async with pushing(f"{url}/{KEY}", inputs=inputs, codecs=[*H264]):
            video = await watcher.take("video", 60)
            lead_us = max(f.pts_us for f in video) - time.time_ns() // 1000
    assert lead_us < 1_500_000  # 30 s would be ahead without it


async def test_silent_video_is_announced_too(tmp_path: Path) -> None:
    async with a_station(tmp_path) as (_child, url, _, watcher), pushing(f"{url}/{KEY}", inputs=PICTURE, codecs=H264):
        assert await watcher.take("video", 20)
        assert not (await watcher.catalog()).audio


async def test_video_that_is_not_h264_is_refused_in_the_publishers_terms(tmp_path: Path) -> None:
    async with (
        a_station(tmp_path) as (child, url, _, _),
        pushing(f"{url}/{KEY}", codecs=["-c:v", "flv1", *AAC]) as publisher,
    ):
        refused = await child.says("input")
        assert await publisher.wait() != 0
    assert refused["state"] == "refused"
    assert "H.264" in refused["message"]
