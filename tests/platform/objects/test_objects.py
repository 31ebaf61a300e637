"""One contract for every object store: a folder, and S3 spoken over real HTTP to a server of its own process."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from skyriver.kernel.errors import InvalidInput
from skyriver.platform.objects import (
    BadStoreUrl,
    FolderStore,
    ObjectNotFound,
    ObjectStore,
    StoreAway,
    StoreFull,
    StoreRefused,
    open_store,
)
from skyriver.platform.objects.store import delete_prefix

SERVE = """
import sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print(server.port, flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 server with the bucket `sky`."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    endpoint = f"http://127.0.0.1:{int(process.stdout.readline())}"
    httpx.put(f"{endpoint}/sky").raise_for_status()
    yield endpoint
    process.kill()
    process.wait()


@pytest.fixture(params=["folder", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ObjectStore]:
    if request.param == "folder":
        yield open_store(f"file://{tmp_path}/objects")
        return
    endpoint = request.getfixturevalue("s3_endpoint")
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    yield open_store(f"s3://sky/{tmp_path.name}?endpoint={endpoint}")


async def keys(store: ObjectStore, prefix: str) -> list[tuple[str, int]]:
    return [(found.key, found.size_bytes) async for found in store.list(prefix)]


async def test_what_is_put_is_got_whole_and_in_ranges(store: ObjectStore) -> None:
    await store.put("a/b.bin", bytes(range(256)))
    assert await store.get("a/b.bin") == bytes(range(256))
    assert await store.get_range("a/b.bin", 10, 5) == bytes(range(10, 15))
    assert await store.get_range("a/b.bin", 250, 100) == bytes(range(250, 256))
    await store.put("a/b.bin", b"new")
    assert await store.get("a/b.bin") == b"new"


async def test_a_listing_is_of_whole_segments_and_sorted(store: ObjectStore) -> None:
    for key in ("x/b/2", "x/a/10", "x/a/1", "x/ab/1", "y/1"):
        await store.put(key, key.encode())
    assert await keys(store, "x") == [("x/a/1", 5), ("x/a/10", 6), ("x/ab/1", 6), ("x/b/2", 5)]
    assert await keys(store, "x/a") == [("x/a/1", 5), ("x/a/10", 6)]
    assert await keys(store, "none") == []


async def test_a_missing_object_is_told_apart_from_a_missing_store(store: ObjectStore) -> None:
    with pytest.raises(ObjectNotFound):
        await store.get("nothing/here")
    with pytest.raises(ObjectNotFound):
        await store.get_range("nothing/here", 0, 1)
    with pytest.raises(ObjectNotFound):
        await store.copy("nothing/here", "a/b")


async def test_copies_stay_when_their_source_goes(store: ObjectStore) -> None:
    await store.put("one/a", b"12345")
    await store.copy("one/a", "two/a")
    await store.put("one/a", b"other")
    await store.delete(["one/a", "one/was-never-there"])
    assert await store.get("two/a") == b"12345"
    assert await keys(store, "one") == []


async def test_a_prefix_is_deleted_whole_and_nothing_beside_it(store: ObjectStore) -> None:
    await asyncio.gather(*(store.put(f"rec/{n:03}/part", b"x") for n in range(25)))
    await store.put("recx/1", b"x")
    assert await delete_prefix(store, "rec", batch=10) == 25
    assert await delete_prefix(store, "rec") == 0
    assert await keys(store, "recx") == [("recx/1", 1)]


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/../b", "a/.", "a b", "ä", "a/" + "x" * 600])
async def test_keys_that_could_lead_out_are_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(InvalidInput):
        await store.put(key, b"")


async def test_the_url_opens_the_same_store_again(store: ObjectStore) -> None:
    await store.put("a", b"1")
    assert await open_store(store.url).get("a") == b"1"


async def test_a_full_folder_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    await FolderStore(tmp_path).put("a", b"1")
    full = FolderStore(tmp_path, reserve_bytes=1 << 60)
    with pytest.raises(StoreFull, match="MiB left"):
        await full.put("b", b"2")
    assert await full.get("a") == b"1"
    assert await keys(full, "b") == []
    await full.delete(["a"])


async def test_a_folder_that_is_no_folder_is_away(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("a file in its place")
    with pytest.raises((StoreAway, StoreRefused)):
        await FolderStore(tmp_path / "objects").put("a/b", b"1")


async def test_a_long_listing_misses_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number in range(2_345):
        (tmp_path / "a" / f"{number:05}").touch()
    assert [key for key, _ in await keys(FolderStore(tmp_path), "a")] == [f"a/{n:05}" for n in range(2_345)]


async def test_an_interrupted_put_leaves_no_object(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    await store.put("a/b", b"1")
    (tmp_path / "a" / ".new-1234").write_bytes(b"half")
    assert await keys(store, "a") == [("a/b", 1)]


async def test_an_absent_server_is_away_and_a_missing_bucket_is_refused(
    s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        with pytest.raises(StoreAway):
            await open_store(f"s3://sky?endpoint=http://127.0.0.1:{taken.getsockname()[1]}").put("a", b"1")
    with pytest.raises(StoreRefused):
        await open_store(f"s3://no-such-bucket?endpoint={s3_endpoint}").put("a", b"1")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "objects",
        "file://host/path",
        "s3://",
        "s3://key:secret@bucket/x",
        "s3://bucket?endpoint=ftp://x",
        "s3://bucket?color=red",
        "file:///x?reserve_bytes=much",
        "gs://bucket",
    ],
)
def test_other_urls_are_refused_with_a_hint(url: str) -> None:
    with pytest.raises(BadStoreUrl) as refused:
        open_store(url)
    assert "secret" not in str(refused.value) and "s3://BUCKET" in refused.value.hint
