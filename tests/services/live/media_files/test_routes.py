"""Uploaded files over HTTP: what is kept, what is refused, who may use it, and what it takes to delete one."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import inspect, select

from skyriver.platform.objects import StoreAway
from skyriver.services.live.intents.relaying import pull_name
from skyriver.services.live.media_files import operations, uploads
from skyriver.services.live.media_files.storage import prefix_of
from skyriver.services.live.records import MediaFileRecord
from tests.services.live.media_files.films import film
from tests.services.live.relaying.test_relay_routes import intents
from tests.services.live.test_api import Scene, problem, scene

__all__ = ["scene"]


async def upload(who: httpx.AsyncClient, body: bytes, name: str = "jingle.mp4") -> httpx.Response:
    return await who.post("/v1/media-files", params={"name": name}, content=body)


async def kept(scene: Scene) -> list[str]:
    """The ids of all rows, whatever their state."""
    async with scene.cloud.store.session() as session:
        return list(await session.scalars(select(MediaFileRecord.id)))


async def test_a_film_is_stored_hashed_probed_and_shown_to_its_tenant_only(scene: Scene) -> None:
    body = film()
    made = await upload(scene.red, body, "../../etc/passwd.exe")
    assert made.status_code == 201, made.text
    file = made.json()
    assert (file["name"], file["size_bytes"]) == ("../../etc/passwd.exe", len(body))
    assert file["sha256"] == hashlib.sha256(body).hexdigest()
    assert (file["container"], file["video"], file["audio"]) == ("mov", "h264", "aac")
    assert (file["width"], file["height"], file["fps"], file["duration_ms"]) == (320, 180, 25.0, 3000)
    assert (file["pull_obstacle"], file["slate_obstacle"]) == ("", "")
    own = f"/v1/media-files/{file['id']}"
    assert (await scene.red.get(own)).json() == file
    assert (await scene.red.get("/v1/media-files")).json()["items"] == [file]
    assert (await scene.red.get(f"{own}/poster")).content[:2] == b"\xff\xd8"
    for answer in (await scene.blue.get(own), await scene.blue.get(f"{own}/poster"), await scene.blue.delete(own)):
        assert problem(answer) == (404, "media_file_not_found")
    assert (await scene.blue.get("/v1/media-files")).json()["items"] == []
    assert (await scene.red.delete(own)).status_code == 204
    assert problem(await scene.red.get(own)) == (404, "media_file_not_found")
    assert await kept(scene) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"no film", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", film()[: len(film()) // 3]],
    ids=["empty", "text", "playlist", "cut off"],
)
async def test_what_is_no_film_is_refused_and_not_kept(scene: Scene, body: bytes) -> None:
    assert problem(await upload(scene.red, body)) == (422, "unusable_media")
    assert await kept(scene) == []


async def test_sound_alone_is_no_film(scene: Scene) -> None:
    body = film("-map", "1:a", "-c:a", "aac", suffix="m4a")
    assert problem(await upload(scene.red, body)) == (422, "unusable_media")


async def test_a_file_has_a_largest_size(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "FILE_BYTES_MAX", 1000)
    assert problem(await upload(scene.red, film())) == (413, "upload_too_large")
    assert await kept(scene) == []


async def test_an_upload_that_breaks_off_leaves_nothing(scene: Scene) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield film()[:5000]
        raise ConnectionResetError

    assert (await scene.red.post("/v1/media-files", params={"name": "x"}, content=half())).is_error
    assert await kept(scene) == []


async def test_an_input_is_pulled_from_a_file_which_then_stays(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    file = (await upload(scene.red, film())).json()
    path = f"/v1/channels/{channel['id']}/pull"
    assert problem(await scene.red.put(path, json={"file_id": "mf_other"})) == (404, "media_file_not_found")
    both = {"file_id": file["id"], "url": "rtsp://camera.test/1"}
    assert problem(await scene.red.put(path, json=both)) == (422, "bad_relay_url")
    made = (await scene.red.put(path, json={"file_id": file["id"], "loop": True})).json()
    assert (made["url"], made["file_id"], made["file_name"], made["loop"]) == ("", file["id"], "jingle.mp4", True)
    intent = (await intents(scene, channel["id"], live=False))[pull_name(channel["id"])]
    told = intent.spec["file"]
    assert (told["prefix"], told["size_bytes"]) == (prefix_of(scene.cloud.red.id, file["id"]), len(film()))
    refused = await scene.red.delete(f"/v1/media-files/{file['id']}")
    assert problem(refused) == (409, "media_file_in_use")
    assert channel["slug"] in refused.text
    await scene.red.put(path, json={"url": "rtsp://camera.test/1"})
    assert (await scene.red.delete(f"/v1/media-files/{file['id']}")).status_code == 204


async def test_another_tenants_file_can_be_used_for_nothing(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    file = (await upload(scene.blue, film())).json()
    for what in ("pull", "slate/film"):
        answer = await scene.red.put(f"/v1/channels/{channel['id']}/{what}", json={"file_id": file["id"]})
        assert problem(answer) == (404, "media_file_not_found")


async def test_hevc_is_no_source_and_a_good_slate(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    file = (await upload(scene.red, film("-c:v", "libx265", "-x265-params", "log-level=0", "-c:a", "aac"))).json()
    assert "hevc" in file["pull_obstacle"]
    refused = await scene.red.put(f"/v1/channels/{channel['id']}/pull", json={"file_id": file["id"]})
    assert problem(refused) == (422, "unusable_media")
    path = f"/v1/channels/{channel['id']}/slate"
    before = (await scene.red.get(path)).content
    shown = await scene.red.put(f"{path}/film", json={"file_id": file["id"]})
    assert shown.json() == {"file_id": file["id"], "file_name": "jingle.mp4"}
    assert (await scene.red.get(path)).content != before, "its first picture is the preview"
    assert problem(await scene.red.delete(f"/v1/media-files/{file['id']}")) == (409, "media_file_in_use")
    await scene.red.delete(path)
    assert (await scene.red.get(f"{path}/film")).json() == {"file_id": None, "file_name": None}
    assert (await scene.red.delete(f"/v1/media-files/{file['id']}")).status_code == 204


async def test_a_list_of_files_and_a_plan_read_no_pictures(scene: Scene) -> None:
    file = (await upload(scene.red, film())).json()
    async with scene.cloud.store.session() as session:
        listed = (await session.scalars(operations.files_of(scene.cloud.red.id))).all()
        assert ["poster" in inspect(one).unloaded for one in listed] == [True]
    async with scene.cloud.store.session() as session:
        found = await operations.find_file(session, scene.cloud.red.id, file["id"])
        assert found.poster


async def test_a_slate_is_a_minute_at_most(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    long = film("-r", "1", "-c:v", "libx264", "-preset", "ultrafast", seconds=61)
    file = (await upload(scene.red, long)).json()
    answer = await scene.red.put(f"/v1/channels/{channel['id']}/slate/film", json={"file_id": file["id"]})
    assert problem(answer) == (422, "unusable_media")
    assert "60 s" in answer.text


async def test_what_was_left_lying_goes_with_the_next_upload(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> int:
        raise StoreAway("The store is away.")

    monkeypatch.setattr(uploads, "delete_prefix", away)
    assert problem(await upload(scene.red, b"no film")) == (422, "unusable_media")
    monkeypatch.undo()
    (lying,) = await kept(scene)
    async with scene.cloud.store.transaction() as session:
        row = await session.get_one(MediaFileRecord, lying)
        row.created_at = row.created_at.replace(year=2020)
    file = (await upload(scene.red, film())).json()
    assert await kept(scene) == [file["id"]]
