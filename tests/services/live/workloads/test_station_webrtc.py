"""A station with publishers that come over WebRTC and MoQ, and a real relay behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyriver.fabric import AudioTrack, Broadcast, Endpoint, MediaFrame, MediaTrack, Publisher, VideoTrack, group_of
from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.units import Unit
from skyriver.services.live.model import contribution_path
from skyriver.services.live.stations import key_sha256
from skyriver.services.live.stations.codecs.opus import opus_head
from skyriver.services.live.workloads import station
from tests.fabric.rig import running_relay, service_grant
from tests.services.live.media import samples
from tests.services.live.stations.whip.client import client
from tests.services.live.workloads.harness import Child, running
from tests.services.live.workloads.watching import Watcher, watching

INGEST = "ingest/ch_1"
KEY = "sky_pub_one"
FIRST, SECOND = "pt_1", "pt_2"


@dataclass
class Stage:
    """A relay, a station that publishes to it, and somebody who watches what it publishes."""

    child: Child
    relay: Endpoint
    watcher: Watcher
    whip_url: str

    def tell(self, **changes: Any) -> None:
        self.child.tell("spec", spec=spec(self.relay, **changes))


def spec(
    relay: Endpoint, *, tickets: tuple[str, ...] = (FIRST, SECOND), takeover: str = "first_wins"
) -> dict[str, Any]:
    channel = {
        "channel_id": "ch_1",
        "tenant_id": "tn_1",
        "space": INGEST,
        "key_sha256": [key_sha256(KEY)],
        "takeover": takeover,
        "grant": service_grant(INGEST),
        "tickets": [{"ticket_id": ticket, "input": "main"} for ticket in tickets],
        "contributions_grant": service_grant(INGEST),
    }
    origin = {"url": relay.url, "certificate_sha256": list(relay.certificate_sha256)}
    doors = {"whip_port": 0}
    return {"host": "127.0.0.1", "rtmp_port": 0, "doors": doors, "origins": [origin], "channels": [channel]}


@asynccontextmanager
async def a_stage(tmp_path: Path, **changes: Any) -> AsyncIterator[Stage]:
    async with (
        running_relay(tmp_path / "relay") as relay,
        running(station.main, spec(relay.endpoint, **changes), tmp_path) as child,
    ):
        port = (await child.says("ready"))["whip_port"]
        async with watching(relay.endpoint, "main", INGEST) as watcher:
            yield Stage(child, relay.endpoint, watcher, f"http://127.0.0.1:{port}/whip")


class Browser:
    """Publishes what a browser's studio would, one frame after the other as told."""

    def __init__(self, publisher: Publisher, ticket: str) -> None:
        self._clock = MediaClock()
        self.broadcast: Broadcast = publisher.broadcast(contribution_path(ticket))
        self.video: MediaTrack = self.broadcast.video("video", VideoTrack("avc3.42c01f", 320, 180, 30.0))
        self.audio: MediaTrack = self.broadcast.audio("audio", AudioTrack("opus", 48_000, 2, opus_head(2)))
        self.broadcast.announce()

    async def send(self, units: list[Unit]) -> None:
        """Pictures and sound, at the speed of real time."""
        for unit in units:
            now_us = self._clock.now_us()
            group = group_of(now_us) if unit.keyframe else None
            self.video.write(unit.payload, now_us, keyframe=unit.keyframe, group=group)
            self.audio.write(b"\xfc\xff\xfe", now_us, keyframe=True, group=group)
            await asyncio.sleep(1 / 30)

    async def send_for_ever(self, units: list[Unit]) -> None:
        while True:
            await self.send(units)

    def stop(self) -> None:
        """What the studio's button does: a catalog without tracks."""
        self.broadcast.remove("video")
        self.broadcast.remove("audio")


@asynccontextmanager
async def a_browser(relay: Endpoint, ticket: str) -> AsyncIterator[Browser]:
    publisher = Publisher([relay], INGEST, lambda: service_grant(INGEST))
    running_ = asyncio.ensure_future(publisher.run())
    browser = Browser(publisher, ticket)
    sending = asyncio.ensure_future(browser.send_for_ever(samples.video(2, width=320, height=180, gop=30)))
    try:
        yield browser
    finally:
        for task in (sending, running_):
            task.cancel()
        await asyncio.gather(sending, running_, return_exceptions=True)


def decodes(video: list[MediaFrame]) -> bool:
    return len(samples.decode_video([(f.pts_us, f.payload) for f in video])) == len(video)


async def test_a_whip_client_becomes_the_input(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage, client(stage.whip_url, KEY) as publisher:
        assert (await publisher.publish()).status_code == 201
        started = await stage.child.says("input", lambda e: e["state"] == "started")
        video = await stage.watcher.take("video", 30)
        sound = await stage.watcher.take("audio", 30)
        catalog = await stage.watcher.catalog()
    assert (started["width"], started["height"]) == (320, 240)
    assert video[0].keyframe and decodes(video)
    assert (catalog.audio["audio"].codec, catalog.audio["audio"].description[:8]) == ("opus", b"OpusHead")
    assert abs(sound[0].pts_us - video[0].pts_us) < 1_000_000


async def test_a_browser_becomes_the_input_and_stops(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage, a_browser(stage.relay, FIRST) as browser:
        started = await stage.child.says("input", lambda e: e["state"] == "started")
        video = await stage.watcher.take("video", 30)
        catalog = await stage.watcher.catalog()
        browser.stop()
        stopped = await stage.child.says("input", lambda e: e["state"] == "stopped")
    assert started["peer"] == f"browser {FIRST}"
    assert video[0].keyframe and decodes(video)
    assert catalog.audio["audio"].codec == "opus"
    assert (stopped["reason"], stopped["since_us"]) == ("unpublished", started["since_us"])


async def test_a_second_browser_is_turned_away_while_the_first_sends(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage, a_browser(stage.relay, FIRST):
        await stage.child.says("input", lambda e: e["state"] == "started")
        async with a_browser(stage.relay, SECOND):
            refused = await stage.child.says("input", lambda e: e["state"] == "refused")
            await stage.watcher.take("video", 10)
    assert "Another encoder is publishing" in refused["message"]


async def test_a_browser_takes_over_from_an_encoder_where_the_channel_says_so(tmp_path: Path) -> None:
    async with a_stage(tmp_path, takeover="takeover") as stage, client(stage.whip_url, KEY) as publisher:
        await publisher.publish()
        await stage.child.says("input", lambda e: e["state"] == "started")
        async with a_browser(stage.relay, FIRST):
            stopped = await stage.child.says("input", lambda e: e["state"] == "stopped")
            started = await stage.child.says("input", lambda e: e["state"] == "started")
    assert (stopped["reason"], started["peer"]) == ("replaced", f"browser {FIRST}")


async def test_a_ticket_that_ends_cuts_its_browser(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage, a_browser(stage.relay, FIRST):
        await stage.child.says("input", lambda e: e["state"] == "started")
        stage.tell(tickets=(SECOND,))
        stopped = await stage.child.says("input", lambda e: e["state"] == "stopped")
    assert stopped["reason"] == "revoked"


async def test_a_browser_that_sends_nonsense_is_refused_by_name(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage, a_browser(stage.relay, FIRST) as browser:
        await stage.child.says("input", lambda e: e["state"] == "started")
        browser.video.write(b"no picture at all", MediaClock().now_us())
        stopped = await stage.child.says("input", lambda e: e["state"] == "stopped")
    assert (stopped["reason"], "annex B" in stopped["message"]) == ("refused", True)
