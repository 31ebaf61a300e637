"""The API as a real process: it says when it serves, keeps what it stored through kills, and explains why it cannot."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import skyriver
from skyriver.apps.api.__main__ import read_settings
from skyriver.apps.api.first_run import FIRST_LOGIN_FILE
from skyriver.kernel.errors import InvalidInput
from skyriver.platform.settings import ControlPlaneSettings


@asynccontextmanager
async def api(data: Path, *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    """A running API process, and the first event it said."""
    environment = os.environ | {"PYTHONPATH": str(Path(skyriver.__file__).parents[1])}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "skyriver.apps.api", "--data", str(data), *arguments,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_serves_stops_cleanly_and_finds_everything_as_it_was(tmp_path: Path) -> None:
    data = tmp_path / "sky"
    async with api(data, "--port", "0") as (process, event):
        assert event["event"] == "ready"
        login = json.loads((data / FIRST_LOGIN_FILE).read_text())
        headers = {"Authorization": f"Bearer {login['api_key']}"}
        async with httpx.AsyncClient(base_url=event["url"], headers=headers) as client:
            assert (await client.get("/healthz")).json()["status"] == "ok"
            made = (await client.post("/v1/api-keys", json={"name": "kept"})).json()
            async with client.stream("GET", "/v1/events") as stream:  # an open stream must not hold up the stop
                await anext(stream.aiter_bytes())
                process.send_signal(signal.SIGTERM)
                assert await process.wait() == 0
    for path in (data / FIRST_LOGIN_FILE, data / "skyriver.db"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with api(data, "--port", "0") as (process, event):
        headers = {"Authorization": f"Bearer {made['secret']}"}
        async with httpx.AsyncClient(base_url=event["url"], headers=headers) as client:
            assert (await client.get("/v1/me")).json()["id"] == made["id"]
        assert json.loads((data / FIRST_LOGIN_FILE).read_text()) == login


async def test_an_acknowledged_create_survives_a_kill(tmp_path: Path) -> None:
    async with api(tmp_path, "--port", "0") as (process, event):
        login = json.loads((tmp_path / FIRST_LOGIN_FILE).read_text())
        async with httpx.AsyncClient(base_url=event["url"]) as client:
            headers = {"Authorization": f"Bearer {login['api_key']}"}
            made = await client.post("/v1/api-keys", json={"name": "kept"}, headers=headers)
        process.kill()
        await process.wait()
    async with api(tmp_path, "--port", "0") as (process, event), httpx.AsyncClient(base_url=event["url"]) as client:
        headers = {"Authorization": f"Bearer {made.json()['secret']}"}
        assert (await client.get("/v1/me", headers=headers)).status_code == 200


async def test_a_taken_port_is_told_with_its_holder_and_the_flag(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with api(tmp_path, "--port", str(port)) as (process, event):
            assert await process.wait() == 1
    assert event["code"] == "port_taken" and f":{port}" in event["message"] and "--port" in event["hint"]
    assert f"process {os.getpid()}" in event["message"]


async def test_a_data_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with api(tmp_path / "file" / "sky", "--port", "0") as (process, event):
        assert await process.wait() == 1
    assert event["event"] == "fatal" and "--data" in event["hint"]


def test_settings_are_checked_and_secrets_come_from_the_environment(tmp_path: Path) -> None:
    environment = {
        "SKYRIVER_DATABASE_URL": "postgresql://u:p@h/n",
        "SKYRIVER_BUS_PASSWORD": "hush",
        "SKYRIVER_PORT": "1",
    }
    settings, level = read_settings(["--data", str(tmp_path), "--port", "7100"], environment)
    assert (settings.port, settings.bus_password, level) == (7100, "hush", "info")
    assert settings.store_url == "postgresql://u:p@h/n"
    assert "hush" not in repr(settings)
    with pytest.raises(InvalidInput, match="port"):
        read_settings(["--data", str(tmp_path), "--port", "70000"], {})


def test_every_setting_says_what_it_is() -> None:
    assert all(info.description for info in ControlPlaneSettings.model_fields.values())
