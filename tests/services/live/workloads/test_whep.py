"""WHEP: what is in a channel's space reaches an independent WebRTC client, decoded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import av
import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from skyriver.fabric import AudioTrack, Endpoint, Publisher, VideoTrack, group_of
from skyriver.fabric.grants import Denial, Verifier
from skyriver.kernel.clock import MediaClock, utc_now
from skyriver.services.live.media.units import Unit
from skyriver.services.live.stations.codecs.opus import opus_head
from skyriver.services.live.workloads import whep
from tests.fabric.rig import JWKS, running_relay, service_grant, viewer_grant
from tests.services.live.media import samples
from tests.services.live.stations.whip.client import post, request
from tests.services.live.workloads.harness import Child, running

CHANNEL = "ch_0123456789abcdef"
SPACE = f"live/{CHANNEL}"
SILENCE = b"\xfc\xff\xfe"


@dataclass
class Stage:
    child: Child
    url: str
    relay: Endpoint


async def show(publisher: Publisher, units: dict[str, list[Unit]]) -> None:
    """What a transcoder publishes: two renditions with keyframes every second, and Opus; for ever."""
    broadcast = publisher.broadcast("live")
    sizes = {"180p": (320, 180), "90p": (160, 90)}
    video = {
        name: broadcast.video(name, VideoTrack("avc3.64000d", *size, framerate=30.0)) for name, size in sizes.items()
    }
    audio = broadcast.audio("opus", AudioTrack("opus", 48_000, 2, opus_head(2)))
    broadcast.announce()
    clock = MediaClock()
    while True:
        for index in range(len(units["180p"])):
            now_us = clock.now_us()
            for name, track in video.items():
                unit = units[name][index]
                group = group_of(now_us) if unit.keyframe else None
                track.write(unit.payload, now_us, keyframe=unit.keyframe, group=group)
            audio.write(SILENCE, now_us, keyframe=True, group=group_of(now_us) if index % 30 == 0 else None)
            await asyncio.sleep(1 / 30)


@asynccontextmanager
async def a_stage(tmp_path: Path, **limits: int) -> AsyncIterator[Stage]:
    units = {
        "180p": samples.video(2, width=320, height=180, gop=30),
        "90p": samples.video(2, width=160, height=90, gop=30),
    }
    async with running_relay(tmp_path / "relay") as relay:
        origin = {"url": relay.endpoint.url, "certificate_sha256": list(relay.endpoint.certificate_sha256)}
        spec = {"host": "127.0.0.1", "port": 0, "origins": [origin], "grant": service_grant("live"), "limits": limits}
        publisher = Publisher([relay.endpoint], SPACE, lambda: service_grant(SPACE))
        on_air = [asyncio.ensure_future(publisher.run()), asyncio.ensure_future(show(publisher, units))]
        try:
            async with running(whep.main, spec, tmp_path) as child:
                child.tell("keys", jwks=JWKS, denied=[])
                url = (await child.says("ready"))["url"]
                yield Stage(child, f"{url}/whep/{CHANNEL}", relay.endpoint)
        finally:
            for task in on_air:
                task.cancel()
            await asyncio.gather(*on_air, return_exceptions=True)


class Player:
    """A viewer."""

    def __init__(self) -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        for kind in ("video", "audio"):
            self.peer.addTransceiver(kind, "recvonly")
        self.session_url = ""

    async def watch(self, url: str, grant: str) -> httpx.Response:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        answer = await post(url, grant, self.peer.localDescription.sdp)
        if answer.status_code == 201:
            self.session_url = str(answer.url.join(answer.headers["Location"]))
            await self.peer.setRemoteDescription(RTCSessionDescription(sdp=answer.text, type="answer"))
        return answer

    async def frames(self, kind: str, count: int) -> list[Any]:
        (track,) = [r.track for r in self.peer.getReceivers() if r.track.kind == kind]
        return [await track.recv() for _ in range(count)]


@asynccontextmanager
async def a_player() -> AsyncIterator[Player]:
    player = Player()
    try:
        yield player
    finally:
        await player.peer.close()


async def test_a_viewer_sees_and_hears_the_largest_rendition(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage, a_player() as player:
        answer = await player.watch(stage.url, viewer_grant(SPACE))
        assert answer.status_code == 201, answer.text
        pictures, sound = await asyncio.gather(player.frames("video", 20), player.frames("audio", 20))
        metrics = await stage.child.says("metrics", lambda m: m["viewers_by_space"].get(SPACE) == 1)
        assert (await request("DELETE", player.session_url)).status_code == 200
        usage = await stage.child.says("usage", lambda u: u["final"])
    assert {(p.width, p.height) for p in pictures} == {(320, 180)}
    assert isinstance(sound[0], av.AudioFrame)
    assert metrics["channels"] == 1 and metrics["egress_bps"] > 1000
    assert usage["space"] == SPACE and usage["bytes_sent"] > 1000


async def test_a_rendition_can_be_chosen(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage, a_player() as player:
        assert (await player.watch(f"{stage.url}?rendition=lowest", viewer_grant(SPACE))).status_code == 201
        pictures = await player.frames("video", 3)
    assert {(p.width, p.height) for p in pictures} == {(160, 90)}


async def test_who_has_no_grant_for_this_channel_watches_nothing(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage, a_player() as player:
        for grant, status in (
            ("", 401),
            ("a.b.c", 401),
            (viewer_grant(SPACE, lifetime=timedelta(hours=-1)), 401),
            (viewer_grant("live/ch_another"), 403),
            (viewer_grant(SPACE, get=("other",)), 403),
        ):
            answer = await player.watch(stage.url, grant)
            assert answer.status_code == status, (grant, answer.text)
        nowhere = stage.url.replace(CHANNEL, "ch_0000000000000000")
        assert (await player.watch(nowhere, viewer_grant("live/ch_0000000000000000"))).status_code == 404


async def test_a_grant_that_is_revoked_ends_its_session(tmp_path: Path) -> None:
    async with a_stage(tmp_path) as stage, a_player() as player:
        grant = viewer_grant(SPACE)
        await player.watch(stage.url, grant)
        await player.frames("video", 1)
        jti = Verifier(JWKS).verify(grant, SPACE).jti
        until = utc_now() + timedelta(hours=1)
        now_us = int(utc_now().timestamp() * 1_000_000)
        stage.child.tell("deny", **Denial(f"root {SPACE}", until, now_us).entry())
        assert (await stage.child.says("usage", lambda u: u["final"]))["jti"] == jti
        assert (await player.watch(stage.url, grant)).status_code == 401
        async with a_player() as another:
            assert (await another.watch(stage.url, viewer_grant(SPACE))).status_code == 201


async def test_a_tenant_whose_viewers_are_many_leaves_room_for_anothers(tmp_path: Path) -> None:
    async with a_stage(tmp_path, max_sessions_per_tenant=1) as stage, a_player() as first, a_player() as second:
        assert (await first.watch(stage.url, viewer_grant(SPACE, jti="ten_1.a"))).status_code == 201
        refused = await second.watch(stage.url, viewer_grant(SPACE, jti="ten_1.b"))
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert (await second.watch(stage.url, viewer_grant(SPACE, jti="ten_2.a"))).status_code == 201
