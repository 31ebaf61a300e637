"""Inputs and slates through the whole application: keys by input, choosing by hand, pictures from outside."""

from __future__ import annotations

import asyncio
import io
import zlib
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from skyriver.services.live.slates import FITTED_MAX_BYTES, fit
from tests.services.live.test_api import Scene, problem
from tests.services.live.test_api import scene as scene


def picture(kind: str = "PNG", size: tuple[int, int] = (800, 600), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 90).convert(mode).save(out, kind)
    return out.getvalue()


def huge_claim() -> bytes:
    """A PNG of a few bytes that says it is 60,000 pixels wide and high."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")

    size = (60_000).to_bytes(4, "big")
    header = chunk(b"IHDR", size + size + bytes([8, 2, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


async def test_each_input_has_its_doors_and_its_keys(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    assert channel["ingest"]["rtmp_url"] and channel["ingest"]["backup"]["rtmp_url"]
    assert (channel["inputs"], channel["input_select"], channel["on_slate"]) == ([], "auto", False)
    made = await scene.red.post("/v1/channels/main-stage/stream-keys", json={"name": "van", "input": "backup"})
    assert (made.status_code, made.json()["input"]) == (201, "backup")
    rotated = await scene.red.post(f"/v1/channels/main-stage/stream-keys/{made.json()['id']}/rotate")
    assert rotated.json()["input"] == "backup"
    keys = (await scene.red.get("/v1/channels/main-stage/stream-keys")).json()["items"]
    assert sorted(key["input"] for key in keys) == ["backup", "main"]


async def test_an_input_is_chosen_by_hand_and_the_policy_is_set(scene: Scene) -> None:
    await scene.create()
    chosen = await scene.red.post("/v1/channels/main-stage/input", json={"select": "backup"})
    assert (chosen.status_code, chosen.json()["input_select"]) == (200, "backup")
    assert (await scene.red.get("/v1/channels/main-stage")).json()["input_select"] == "backup"
    assert problem(await scene.red.post("/v1/channels/main-stage/input", json={"select": "third"}))[0] == 422
    assert problem(await scene.blue.post("/v1/channels/main-stage/input", json={"select": "main"}))[0] == 404
    changed = await scene.red.patch("/v1/channels/main-stage", json={"input_revert_s": 0, "slate_minutes": 0})
    assert (changed.json()["input_revert_s"], changed.json()["slate_minutes"]) == (0, 0)


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "L")])
async def test_a_slate_is_kept_as_a_small_jpeg_and_can_be_seen_and_removed(scene: Scene, kind: str, mode: str) -> None:
    await scene.create()
    path = "/v1/channels/main-stage/slate"
    builtin = await scene.red.get(path)
    assert builtin.headers["content-type"] == "image/jpeg"
    body = picture(kind, mode=mode)
    put = await scene.red.put(path, content=body, headers={"content-type": f"image/{kind.lower()}"})
    assert put.status_code == 204, put.text
    own = await scene.red.get(path)
    assert own.content != builtin.content
    assert Image.open(io.BytesIO(own.content)).size == (640, 360)
    assert (await scene.red.delete(path)).status_code == 204
    assert (await scene.red.get(path)).content == builtin.content
    assert problem(await scene.blue.get(path))[0] == 404


async def test_what_is_no_picture_or_too_large_is_refused_with_a_reason(scene: Scene) -> None:
    await scene.create()
    path, headers = "/v1/channels/main-stage/slate", {"content-type": "image/png"}
    for body in (b"", b"<svg/>", picture()[:2000], huge_claim()):
        assert problem(await scene.red.put(path, content=body, headers=headers)) == (422, "no_picture")
    assert (await scene.red.put(path, content=bytes(6 << 20), headers=headers)).status_code == 413


def test_a_picture_is_fitted_whatever_it_holds() -> None:
    fitted = fit(picture(size=(3000, 4000)))
    assert (fitted.width, fitted.height) == (540, 720)
    assert len(fitted.jpeg) <= FITTED_MAX_BYTES


async def test_an_upload_that_takes_its_time_holds_up_no_other_writer(scene: Scene) -> None:
    await scene.create()
    body = picture()

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:1000]
        assert (await scene.red.patch("/v1/channels/main-stage", json={"slate_minutes": 3})).status_code == 200
        yield body[1000:]

    async with asyncio.timeout(30):
        put = await scene.red.put(
            "/v1/channels/main-stage/slate", content=slowly(), headers={"content-type": "image/png"}
        )
    assert put.status_code == 204, put.text
