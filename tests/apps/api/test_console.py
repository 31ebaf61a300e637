"""The built console's files, its first page for every other address, and nothing from outside its folder."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from skyriver.apps.api.routes.console import Console


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("outside")
    folder = tmp_path / "console_dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>first page")
    (folder / "embed.html").write_text("<!doctype html>player")
    (folder / "assets" / "main-3fa9.js").write_text("let x = 1")
    (folder / "out.txt").symlink_to(tmp_path / "secret.txt")
    return folder


async def get(app: FastAPI, folder: Path, path: str, method: str = "GET") -> httpx.Response:
    app.router.default = Console(folder)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sky.test") as client:
        return await client.request(method, path)


async def test_files_and_first_pages(app_without_services: FastAPI, folder: Path) -> None:
    script = await get(app_without_services, folder, "/assets/main-3fa9.js")
    assert script.status_code == 200 and "immutable" in script.headers["cache-control"]
    assert "javascript" in script.headers["content-type"]
    for path in ("/", "/channels/ch_1", "/login?next=/x"):
        page = await get(app_without_services, folder, path)
        assert "first page" in page.text and page.headers["cache-control"] == "no-cache"
    assert "player" in (await get(app_without_services, folder, "/embed/red/stage")).text
    assert (await get(app_without_services, folder, "/assets/gone.js")).status_code == 404


async def test_nothing_from_outside_the_folder(app_without_services: FastAPI, folder: Path) -> None:
    for path in (
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/out.txt",
        "/..%5csecret.txt",
    ):
        answer = await get(app_without_services, folder, path)
        assert "outside" not in answer.text


async def test_the_api_is_never_answered_with_a_page(app_without_services: FastAPI, folder: Path) -> None:
    for path in ("/v1/nothing", "/v1", "/.well-known/nothing"):
        answer = await get(app_without_services, folder, path)
        assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json"
    assert (await get(app_without_services, folder, "/v1/sessions")).status_code == 405
    assert (await get(app_without_services, folder, "/channels", "POST")).status_code == 405


async def test_without_a_built_console_a_page_says_how_to_build_it(
    app_without_services: FastAPI, tmp_path: Path
) -> None:
    page = await get(app_without_services, tmp_path / "absent", "/")
    assert page.status_code == 200 and "not built" in page.text
