"""Recordings over the delivery server: the same bytes as from the source, behind grants, on kept connections."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx

from skyriver.fabric.grants import Verifier
from skyriver.fabric.relay_session import Usage
from skyriver.platform.objects import FolderStore
from skyriver.services.live.delivery.server import DeliveryServer
from skyriver.services.live.vod.source import VodSource
from tests.fabric.rig import JWKS, SIGNER, viewer_grant
from tests.services.live.recorder.takes import take

REC = "rec_0000000000000001"


def grant(scope: str = "whole", recording_id: str = REC) -> str:
    return SIGNER.sign(root=f"vod/{recording_id}", get=[scope], lifetime=timedelta(minutes=5), jti="tn_1.x")


@asynccontextmanager
async def serving(store: FolderStore | None) -> AsyncIterator[tuple[httpx.AsyncClient, list[Usage]]]:
    usage: list[Usage] = []
    recordings = VodSource(store) if store is not None else None
    server = DeliveryServer(Verifier(JWKS), (), lambda: "", recordings=recordings, on_usage=usage.append)
    running = asyncio.ensure_future(server.run())
    port = await server.listen("127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        try:
            yield client, usage
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_recording_is_served_and_metered(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    await take(store, REC, tmp_path / "node")
    source = VodSource(store)
    async with serving(store) as (client, usage):
        base = f"/vod/{grant()}/{REC}"
        for path in ("index.m3u8", "180p/index.m3u8", "thumbs.vtt", "poster.jpg", "sprites/0.jpg"):
            answer = await client.get(f"{base}/{path}")
            assert answer.status_code == 200 and answer.content == (await source.get(REC, path)).body
        name = re.findall(r"\d+\.m4s", (await source.get(REC, "180p/index.m3u8")).body.decode())[0]
        segment = await client.get(f"{base}/180p/{name}")
        assert segment.headers["content-type"] == "video/mp4" and "immutable" in segment.headers["cache-control"]
        part = await client.get(f"{base}/180p/{name}", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, segment.content[10:20])
        known = await client.get(f"{base}/180p/{name}", headers={"If-None-Match": segment.headers["etag"]})
        assert known.status_code == 304
    assert {fact.space for fact in usage} == {f"vod/{REC}"} and sum(u.bytes_sent for u in usage) > len(segment.content)


async def test_grants_open_their_own_recording_only(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    await take(store, REC, tmp_path / "node")
    async with serving(store) as (client, _):
        for token, status in (
            (grant(recording_id="rec_0000000000000002"), 403),
            (viewer_grant(), 403),
            (grant("live"), 403),
            ("nonsense", 401),
        ):
            assert (await client.get(f"/vod/{token}/{REC}/index.m3u8")).status_code == status
        for path in ("nothing.m3u8", "720p/index.m3u8", "180p/1.m4s"):
            assert (await client.get(f"/vod/{grant()}/{REC}/{path}")).status_code == 404
        window = await client.get(f"/vod/{grant('window-60')}/{REC}/180p/index.m3u8")
        assert window.status_code == 200


async def test_a_node_without_the_store_has_no_recordings() -> None:
    async with serving(None) as (client, _):
        assert (await client.get(f"/vod/{grant()}/{REC}/index.m3u8")).status_code == 404
