"""Recordings through the whole API, over a hand-made cloud and a real folder of objects, on every database."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import NotAuthenticated
from skyriver.platform.alarms.part import PART as ALARMS
from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.fabric_keys.part import PART as FABRIC_KEYS
from skyriver.platform.objects import ObjectStore
from skyriver.platform.store import Store
from skyriver.platform.webhooks.records import WebhookEventRecord, WebhookRecord
from skyriver.services.live.intents.recorder import read_recordings, recorder_intents, recorder_name
from skyriver.services.live.manifest import live_service
from skyriver.services.live.observe import Live
from skyriver.services.live.recorder.layout import root
from skyriver.services.live.recordings.keeper import Keeper
from skyriver.services.live.recordings.model import CLOSE_AFTER, RECORDER_LOST_AFTER
from skyriver.services.live.recordings.operations import moment
from skyriver.services.live.records import RecordingRecord
from tests.clouds import Cloud, open_cloud
from tests.services.live.hand_cloud import HandCloud, small_cloud, station, transcoder, workload
from tests.services.live.recorder.takes import START_US, take

START = moment(START_US)


class Clock:
    """A wall clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, time: timedelta) -> None:
        self.now += time


@dataclass
class Scene:
    """The API, its machines, its object store, and who asks."""

    cloud: Cloud
    hand: HandCloud
    clock: Clock
    red: httpx.AsyncClient
    blue: httpx.AsyncClient
    viewer: httpx.AsyncClient
    anybody: httpx.AsyncClient
    tmp_path: Path
    channel_id: str = ""

    @property
    def keeper(self) -> Keeper:
        return self.cloud.runtime.get(Keeper)

    @property
    def objects(self) -> ObjectStore:
        return self.keeper.objects

    async def on_air(self, *others: Any) -> None:
        """The channel has a publisher, and `others` run beside its transcoder."""
        shown = station("n1", publishing=[self.channel_id]), transcoder(self.channel_id, "n1"), *others
        self.hand.nodes = small_cloud(*shown)
        await self.cloud.runtime.get(Live).tick()
        await self.keeper.tick()

    async def off_air(self, *others: Any) -> None:
        """The publisher has been gone for so long that the channel is offline."""
        self.hand.nodes = small_cloud(*others)
        for _ in range(3):
            await self.cloud.runtime.get(Live).tick()
            self.clock.pass_(timedelta(hours=1))
        await self.keeper.tick()
        self.clock.pass_(CLOSE_AFTER)
        await self.keeper.tick()

    async def rows(self) -> list[RecordingRecord]:
        from sqlalchemy import select

        async with self.cloud.store.session() as session:
            return list(await session.scalars(select(RecordingRecord).order_by(RecordingRecord.id)))

    async def recorded(self, *, ended: bool = True, tenant_id: str | None = None) -> str:
        """A show of eight seconds, with its objects."""
        row = RecordingRecord(
            tenant_id=tenant_id or self.cloud.red.id,
            channel_id=self.channel_id,
            channel_name="Main Stage",
            kind="show",
            name="Gala",
            state="ready" if ended else "recording",
            open_channel_id=None if ended else self.channel_id,
            started_at=START,
            ended_at=START + timedelta(seconds=8) if ended else None,
            size_bytes=1000,
            duration_ms=8000,
            gaps=[],
            tracks=[],
            retain_until=self.clock.now + timedelta(days=3),
        )
        async with self.cloud.store.transaction() as session:
            session.add(row)
        await take(self.objects, row.id, self.tmp_path / row.id, ended=ended)
        return row.id

    async def listen(self) -> None:
        """Red has a webhook for recordings."""
        hook = WebhookRecord(
            tenant_id=self.cloud.red.id,
            name="mine",
            url="https://hooks.example.com/",
            event_types=["recording.ready"],
            secret_sealed=b"",
        )
        async with self.cloud.store.transaction() as session:
            session.add(hook)

    async def told(self) -> list[tuple[str, str]]:
        """Events in the outbox, and the recordings that they are about."""
        from sqlalchemy import select

        async with self.cloud.store.session() as session:
            rows = await session.scalars(select(WebhookEventRecord))
            return [(row.type, row.data["recording_id"]) for row in rows]

    async def keys(self, recording_id: str) -> list[str]:
        return [found.key async for found in self.objects.list(root(recording_id))]


@pytest.fixture
async def scene(store: Store, tmp_path: Path) -> AsyncIterator[Scene]:
    hand, clock = HandCloud(small_cloud()), Clock()
    service = live_service(lambda _: hand)
    async with open_cloud(store, tmp_path, parts=(FABRIC_KEYS, ALARMS), services=(service,), now=clock) as cloud:
        red, blue = await cloud.as_(cloud.red), await cloud.as_(cloud.blue)
        viewer, anybody = await cloud.as_(cloud.red, "viewer"), await cloud.client()
        scene = Scene(cloud, hand, clock, red, blue, viewer, anybody, tmp_path)
        made = await scene.red.post("/v1/channels", json={"name": "Main Stage"})
        scene.channel_id = made.json()["channel"]["id"]
        yield scene


def recorder(recording_id: str, **metrics: Any) -> Any:
    said = {
        "recording_id": recording_id, "loaded": True, "size_bytes": 5_000_000, "media_ms": 60_000,
        "start_us": START_US, "end_us": START_US + 62_000_000,
        "gaps": [{"from_us": START_US + 10_000_000, "to_us": START_US + 12_000_000}],
        "tracks": [{"name": "180p", "kind": "video", "codec": "avc1.42c00d", "width": 320, "height": 180}],
    }  # fmt: skip
    return workload(
        "live.recorder", "n1", id="wl_recorder", name=recorder_name(recording_id), metrics={**said, **metrics}
    )


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


async def test_settings_are_the_members_to_change(scene: Scene) -> None:
    url = f"/v1/channels/{scene.channel_id}/recording"
    assert (await scene.viewer.get(url)).json() == {
        "enabled": False, "retention_days": 30, "dvr_minutes": 60, "renditions": "all",
    }  # fmt: skip
    changed = await scene.red.patch(url, json={"enabled": True, "retention_days": 7, "renditions": "top"})
    assert changed.json() == {"enabled": True, "retention_days": 7, "dvr_minutes": 60, "renditions": "top"}
    assert (await scene.viewer.patch(url, json={"enabled": False})).status_code == 403
    assert problem(await scene.blue.get(url)) == (404, "channel_not_found")
    assert problem(await scene.blue.patch(url, json={"enabled": True})) == (404, "channel_not_found")
    for wrong in ({"retention_days": 0}, {"dvr_minutes": -1}, {"renditions": "some"}, {"colour": 1}):
        assert (await scene.red.patch(url, json=wrong)).status_code == 422
    audit = (await scene.red.get("/v1/audit")).json()["items"]
    assert [line["action"] for line in audit].count("recording_settings.changed") == 1


async def test_a_show_is_recorded_from_its_first_picture_until_it_is_over(scene: Scene) -> None:
    await scene.listen()
    await scene.on_air()
    assert await scene.rows() == []
    await scene.red.patch(f"/v1/channels/{scene.channel_id}/recording", json={"enabled": True, "retention_days": 2})
    await scene.on_air()
    await scene.on_air()
    [row] = await scene.rows()
    assert (row.state, row.kind, row.tenant_id) == ("recording", "show", scene.cloud.red.id)
    await scene.on_air(recorder(row.id))
    shown = (await scene.viewer.get(f"/v1/recordings/{row.id}")).json()
    assert (shown["state"], shown["size_bytes"], shown["duration_ms"]) == ("recording", 5_000_000, 60_000)
    assert shown["gaps"] == [{"start": "2023-11-14T22:13:30Z", "end": "2023-11-14T22:13:32Z"}]
    assert problem(await scene.red.delete(f"/v1/recordings/{row.id}")) == (409, "recording_runs")
    await scene.off_air(recorder(row.id))
    assert [r.state for r in await scene.rows()] == ["finishing"]
    await scene.off_air(recorder(row.id, finished=True, size_bytes=6_000_000))
    [row] = await scene.rows()
    assert (row.state, row.size_bytes, row.open_channel_id) == ("ready", 6_000_000, None)
    assert await scene.told() == [("recording.ready", row.id)], "webhooks are told of it once"
    assert row.ended_at == START + timedelta(seconds=62) and row.retain_until is not None
    assert row.retain_until > scene.clock.now + timedelta(days=1)


async def test_the_plan_has_a_recorder_until_the_recording_is_finished(scene: Scene) -> None:
    async def plan() -> list[tuple[str, bool, str]]:
        async with scene.cloud.store.session() as session:
            found = await read_recordings(session)
        observed = scene.hand.observed
        intents = recorder_intents(found, type(observed)(observed.nodes, lambda *_: "grant"), store_url="file:///x")
        return [(i.name, i.spec["finish"], i.spec["renditions"]) for i in intents]

    assert await plan() == []
    await scene.red.patch(f"/v1/channels/{scene.channel_id}/recording", json={"enabled": True, "renditions": "top"})
    await scene.on_air()
    [row] = await scene.rows()
    assert await plan() == [(recorder_name(row.id), False, "top")]
    await scene.off_air()
    assert await plan() == [(recorder_name(row.id), True, "top")]
    await scene.off_air(recorder(row.id, finished=True))
    assert await plan() == []


async def test_turning_recording_off_ends_it_while_the_show_goes_on(scene: Scene) -> None:
    url = f"/v1/channels/{scene.channel_id}/recording"
    await scene.red.patch(url, json={"enabled": True})
    await scene.on_air()
    await scene.red.patch(url, json={"enabled": False})
    await scene.on_air()
    [first] = await scene.rows()
    assert first.state == "finishing"
    await scene.red.patch(url, json={"enabled": True})
    await scene.on_air()
    assert [r.state for r in await scene.rows()] == ["finishing", "recording"]


async def test_a_show_of_which_nothing_came_leaves_nothing(scene: Scene) -> None:
    await scene.red.patch(f"/v1/channels/{scene.channel_id}/recording", json={"enabled": True})
    await scene.on_air()
    [row] = await scene.rows()
    await scene.off_air()
    await scene.off_air(recorder(row.id, finished=True, size_bytes=0, media_ms=0, start_us=0, end_us=0))
    await scene.keeper.work(scene.clock.now)
    assert await scene.rows() == []


async def test_a_recorder_that_never_comes_back_leaves_what_is_stored(scene: Scene) -> None:
    recording_id = await scene.recorded(ended=False)
    await scene.off_air()
    scene.clock.pass_(RECORDER_LOST_AFTER)
    await scene.off_air()
    [row] = await scene.rows()
    assert (row.id, row.state) == (recording_id, "ready") and row.size_bytes > 50_000 and row.duration_ms >= 6_000
    assert any(key.endswith("/end.json") for key in await scene.keys(recording_id))


async def test_another_tenant_has_no_part_in_a_recording(scene: Scene) -> None:
    recording_id = await scene.recorded()
    clip = {"start": START.isoformat(), "end": (START + timedelta(seconds=2)).isoformat()}
    assert (await scene.blue.get("/v1/recordings")).json()["items"] == []
    assert len((await scene.viewer.get("/v1/recordings")).json()["items"]) == 1
    assert len((await scene.red.get(f"/v1/channels/{scene.channel_id}/recordings")).json()["items"]) == 1
    for answer in (
        await scene.blue.get(f"/v1/recordings/{recording_id}"),
        await scene.blue.patch(f"/v1/recordings/{recording_id}", json={"name": "Mine"}),
        await scene.blue.delete(f"/v1/recordings/{recording_id}"),
        await scene.blue.post(f"/v1/recordings/{recording_id}/clips", json=clip),
        await scene.blue.post(f"/v1/recordings/{recording_id}/play"),
    ):
        assert problem(answer) == (404, "recording_not_found")
    assert (await scene.blue.get("/v1/recordings/storage")).json()["size_bytes"] == 0


async def test_a_ticket_plays_its_recording_and_no_other(scene: Scene) -> None:
    recording_id, other_id = await scene.recorded(), await scene.recorded()
    ticket = (await scene.viewer.post(f"/v1/recordings/{recording_id}/play")).json()
    playlist = await scene.anybody.get(ticket["hls_url"])
    assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert "180p/index.m3u8" in playlist.text and playlist.headers["access-control-allow-origin"] == "*"
    track = await scene.anybody.get(ticket["hls_url"].replace("index.m3u8", "180p/index.m3u8"))
    segment = ticket["hls_url"].replace("index.m3u8", f"180p/{re.findall(r'[0-9]+.m4s', track.text)[0]}")
    assert (await scene.anybody.get(segment)).headers["cache-control"].endswith("immutable")
    assert (await scene.anybody.get(ticket["poster_url"])).content[:2] == b"\xff\xd8"
    assert (await scene.anybody.get(ticket["thumbnails_url"])).text.startswith("WEBVTT")
    foreign = await scene.anybody.get(ticket["hls_url"].replace(recording_id, other_id))
    assert problem(foreign) == (403, "foreign_space")
    forged = re.sub(r"\.[^./]+/", ".AAAA/", ticket["hls_url"])
    assert (await scene.anybody.get(forged)).status_code == 401
    missing = await scene.anybody.get(ticket["hls_url"].replace("index.m3u8", "720p/index.m3u8"))
    assert problem(missing) == (404, "no_such_recording_part")


async def test_the_download_is_one_file_in_any_range(scene: Scene) -> None:
    recording_id = await scene.recorded()
    url = (await scene.red.post(f"/v1/recordings/{recording_id}/play")).json()["download_url"]
    whole = await scene.anybody.get(url, params={"name": "Gala 天河"})
    assert whole.status_code == 200 and whole.content[4:8] == b"ftyp"
    assert whole.headers["content-disposition"] == "attachment; filename*=UTF-8''Gala%20%E5%A4%A9%E6%B2%B3.mp4"
    part = await scene.anybody.get(url, headers={"Range": "bytes=100-70099"})
    assert part.status_code == 206 and part.content == whole.content[100:70_100]
    assert part.headers["content-range"] == f"bytes 100-70099/{len(whole.content)}"
    rest = await scene.anybody.get(url, headers={"Range": f"bytes={len(whole.content) - 9}-"})
    assert rest.content == whole.content[-9:]
    assert (await scene.anybody.get(url, headers={"Range": "bytes=99999999-"})).status_code == 416
    smaller = await scene.anybody.get(url, params={"rendition": "180p"})
    assert 0 < len(smaller.content) < len(whole.content)
    assert problem(await scene.anybody.get(url, params={"rendition": "4k"})) == (404, "no_such_recording_part")


async def test_a_clip_stays_when_its_show_is_deleted(scene: Scene) -> None:
    recording_id = await scene.recorded()
    times = {"start": (START + timedelta(seconds=2.5)).isoformat(), "end": (START + timedelta(seconds=5)).isoformat()}
    made = await scene.red.post(f"/v1/recordings/{recording_id}/clips", json={"name": "Goal", **times})
    assert made.status_code == 201 and made.json()["source_id"] == recording_id
    clip_id = made.json()["id"]
    await scene.keeper.work(scene.clock.now)
    clip = (await scene.red.get(f"/v1/recordings/{clip_id}")).json()
    assert (clip["state"], clip["duration_ms"], clip["kind"]) == ("ready", 2500, "clip") and clip["size_bytes"] > 0
    assert (await scene.red.delete(f"/v1/recordings/{recording_id}")).status_code == 204
    await scene.keeper.work(scene.clock.now)
    assert await scene.keys(recording_id) == [] and [row.id for row in await scene.rows()] == [clip_id]
    ticket = (await scene.red.post(f"/v1/recordings/{clip_id}/play")).json()
    playlist = (await scene.anybody.get(ticket["hls_url"])).text
    assert "#EXT-X-START:TIME-OFFSET=0.500,PRECISE=YES" in playlist
    assert (await scene.anybody.get(ticket["download_url"])).status_code == 200


async def test_times_that_make_no_clip_are_refused(scene: Scene) -> None:
    recording_id = await scene.recorded()

    async def order(start: float | str, end: float | str) -> httpx.Response:
        times = [t if isinstance(t, str) else (START + timedelta(seconds=t)).isoformat() for t in (start, end)]
        return await scene.red.post(f"/v1/recordings/{recording_id}/clips", json={"start": times[0], "end": times[1]})

    assert problem(await order(5, 2)) == (422, "outside_recording")
    assert problem(await order(1, 1.1)) == (422, "outside_recording")
    assert problem(await order(0, 7 * 3600)) == (422, "outside_recording")
    assert problem(await order("1066-10-14T09:00:00Z", "1066-10-14T09:00:10Z")) == (422, "outside_recording")
    assert (await order("2023-11-14T22:13:20", "2023-11-14T22:13:24")).status_code == 422
    nowhere = await order(1000, 1010)
    await scene.keeper.work(scene.clock.now)
    failed = (await scene.red.get(f"/v1/recordings/{nowhere.json()['id']}")).json()
    assert failed["state"] == "failed" and "nothing between" in failed["failure"]
    assert problem(await scene.red.post(f"/v1/recordings/{failed['id']}/play")) == (409, "nothing_recorded")


async def test_what_has_expired_is_deleted_and_the_audit_says_so(scene: Scene) -> None:
    recording_id = await scene.recorded()
    await scene.keeper.work(scene.clock.now)
    assert await scene.keys(recording_id)
    scene.clock.pass_(timedelta(days=4))
    await scene.keeper.work(scene.clock.now)
    assert await scene.keys(recording_id) == [] and await scene.rows() == []
    audit = (await scene.red.get("/v1/audit")).json()["items"]
    assert "recording.expired" in [line["action"] for line in audit]


async def test_viewers_of_a_running_show_go_back_as_far_as_they_may(scene: Scene) -> None:
    await scene.red.patch(f"/v1/channels/{scene.channel_id}", json={"public": True})
    public = "/v1/public/red/main-stage/dvr"
    assert problem(await scene.anybody.post(public)) == (409, "nothing_recorded")
    await scene.red.patch(f"/v1/channels/{scene.channel_id}/recording", json={"enabled": True})
    await scene.on_air()
    [row] = await scene.rows()
    await take(scene.objects, row.id, scene.tmp_path / "node", ended=False)
    await scene.on_air(recorder(row.id))
    ticket = (await scene.anybody.post(public)).json()
    assert ticket["download_url"] is None and ticket["window_s"] == 3600
    [row] = await scene.rows()
    assert datetime.fromisoformat(ticket["start"]) == row.started_at
    playlist = await scene.anybody.get(ticket["hls_url"].replace("index.m3u8", "180p/index.m3u8"))
    assert playlist.status_code == 200 and "EXT-X-ENDLIST" not in playlist.text
    assert (await scene.anybody.get(ticket["hls_url"].replace("index.m3u8", "download.mp4"))).status_code == 403
    assert (await scene.viewer.post(f"/v1/channels/{scene.channel_id}/dvr")).status_code == 200
    assert problem(await scene.blue.post(f"/v1/channels/{scene.channel_id}/dvr")) == (404, "channel_not_found")
    await scene.red.patch(f"/v1/channels/{scene.channel_id}/recording", json={"dvr_minutes": 0})
    assert problem(await scene.anybody.post(public)) == (409, "nothing_recorded")


async def test_a_channel_that_turns_private_takes_back_what_the_public_was_given(scene: Scene) -> None:
    await scene.red.patch(f"/v1/channels/{scene.channel_id}", json={"public": True})
    await scene.red.patch(f"/v1/channels/{scene.channel_id}/recording", json={"enabled": True})
    await scene.on_air()
    [row] = await scene.rows()
    await take(scene.objects, row.id, scene.tmp_path / "node", ended=False)
    await scene.on_air(recorder(row.id))
    dvr = (await scene.anybody.post("/v1/public/red/main-stage/dvr")).json()["hls_url"]
    live = (await scene.anybody.post("/v1/public/red/main-stage/watch")).json()
    assert (await scene.anybody.get(dvr)).status_code == 200
    await scene.red.patch(f"/v1/channels/{scene.channel_id}", json={"name": "Still public", "public": True})
    keys = scene.cloud.runtime.get(GrantKeys)
    await keys.refresh_denied()
    assert (await scene.anybody.get(dvr)).status_code == 200
    await scene.red.patch(f"/v1/channels/{scene.channel_id}", json={"public": False})
    await keys.refresh_denied()
    assert problem(await scene.anybody.get(dvr)) == (401, "grant_revoked")
    with pytest.raises(NotAuthenticated, match="revoked"):
        keys.verifier.verify(live["grant"], live["space"])
    again = (await scene.red.post(f"/v1/channels/{scene.channel_id}/dvr")).json()["hls_url"]
    assert (await scene.anybody.get(again)).status_code == 200
    mine = (await scene.red.post(f"/v1/channels/{scene.channel_id}/watch")).json()
    keys.verifier.verify(mine["grant"], mine["space"])


async def test_a_key_that_is_deleted_takes_its_tickets_with_it(scene: Scene) -> None:
    recording_id = await scene.recorded()
    owner = await scene.cloud.as_(scene.cloud.red, "owner")
    key = (await owner.post("/v1/api-keys", json={"name": "site", "role": "viewer"})).json()
    with_key = await scene.cloud.client()
    with_key.headers["Authorization"] = f"Bearer {key['secret']}"
    theirs = (await with_key.post(f"/v1/recordings/{recording_id}/play")).json()["hls_url"]
    ours = (await scene.red.post(f"/v1/recordings/{recording_id}/play")).json()["hls_url"]
    assert (await owner.delete(f"/v1/api-keys/{key['id']}")).status_code == 204
    await scene.cloud.runtime.get(GrantKeys).refresh_denied()
    assert problem(await scene.anybody.get(theirs)) == (401, "grant_revoked")
    assert (await scene.anybody.get(ours)).status_code == 200


async def test_storage_is_noted_once_an_hour(scene: Scene) -> None:
    await scene.recorded()
    scene.clock.now = datetime(2026, 11, 20, 12, 10, tzinfo=UTC)
    for _ in range(4):
        await scene.keeper.work(scene.clock.now)
        scene.clock.pass_(timedelta(minutes=20))
    asked = {"since": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z"}
    storage = (await scene.red.get("/v1/recordings/storage", params=asked)).json()
    assert (storage["recordings"], storage["size_bytes"], storage["byte_hours"]) == (1, 1000, 2000)
