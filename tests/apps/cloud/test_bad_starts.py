"""What keeps `up` from starting is told in the caller's terms, and nothing is left running."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from skyriver.apps.cloud import CloudSettings
from skyriver.apps.cloud.running import only_one
from skyriver.apps.cloud.settings import prepare
from tests.apps.cloud.real_up import ANY_PORTS, api_of, refused, taken_port, up

SMALL = (*ANY_PORTS, "--edges", "0", "--no-demo")


def disk(folder: Path, options: str) -> list[str]:
    """A command that runs the rest with a small file system of its own on `folder`."""
    folder.mkdir()
    mount = f'mount -t tmpfs -o {options} tmpfs "{folder}" && exec "$@"'
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c", mount, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], capture_output=True).returncode != 0:
        pytest.skip("NOT RUN: this system lets us mount no file system of our own (unshare --mount)")
    return command


@pytest.mark.parametrize("flag", ["--port", "--rtmp-port"])
async def test_a_taken_port_is_told_with_its_holder_and_the_flag(tmp_path: Path, flag: str) -> None:
    async with taken_port() as port:
        error = await refused(tmp_path / "sky", *SMALL, flag, str(port))
    assert error["code"] == "port_taken"
    assert f"port {port}" in error["message"] and f"(process {os.getpid()})" in error["message"]
    assert flag in error["hint"]


async def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    error = await refused(tmp_path / "sky", *SMALL, "--host", "192.0.2.1", "--port", "7000")
    assert "192.0.2.1" in error["message"] and "--host" in error["hint"]


async def test_a_folder_in_use_is_refused_and_its_holder_named(tmp_path: Path) -> None:
    settings = CloudSettings(tmp_path)
    prepare(settings)
    with only_one(settings):
        error = await refused(tmp_path, *SMALL)
    assert error["code"] == "already_running"
    assert f"(process {os.getpid()})" in error["message"] and "--data" in error["hint"]


async def test_a_folder_that_is_read_only_is_refused(tmp_path: Path) -> None:
    error = await refused(tmp_path / "disk" / "sky", *SMALL, under=disk(tmp_path / "disk", "size=1m,ro"))
    assert error["code"] == "not_writable"
    assert "Read-only" in error["message"] and "--data" in error["hint"]


async def test_a_disk_too_full_to_start_is_told(tmp_path: Path) -> None:
    error = await refused(tmp_path / "disk" / "sky", *SMALL, under=disk(tmp_path / "disk", "size=128k"))
    assert error["code"] == "disk_full"
    assert "disk" in error["message"] and "Free" in error["hint"]


async def test_a_disk_that_fills_up_loses_nothing(tmp_path: Path) -> None:
    data = tmp_path / "disk" / "sky"
    async with up(data, *SMALL, under=disk(tmp_path / "disk", "size=24m")) as running:
        inside = Path(f"/proc/{running.process.pid}/root{tmp_path}/disk")  # its file system, seen from here
        url = (await running.ready())["url"]
        running.data = inside / "sky"
        async with api_of(running, url) as api:
            assert (await api.post("/v1/channels", json={"name": "Before"})).status_code == 201
            fill(inside / "filler")
            refusal = await api.post("/v1/channels", json={"name": "Meanwhile"})
            assert refusal.status_code >= 500
            assert refusal.json()["type"].endswith("disk_full") and "Free space" in refusal.json()["hint"]
            assert [channel["slug"] for channel in (await api.get("/v1/channels")).json()["items"]] == ["before"]
            (inside / "filler").unlink()
            assert (await api.post("/v1/channels", json={"name": "After"})).status_code == 201
            assert len((await api.get("/v1/channels")).json()["items"]) == 2
        assert await running.stop() == 0


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        for block in (1 << 16, 1):
            try:
                while file.write(b"\0" * block):
                    pass
            except OSError:
                continue


async def test_a_dead_bus_is_told_with_its_address(tmp_path: Path) -> None:
    async with taken_port() as silent:
        pass
    error = await refused(tmp_path / "sky", *SMALL, "--bus-url", f"nats://127.0.0.1:{silent}")
    assert error["code"] == "bus_down"
    assert f"nats://127.0.0.1:{silent}" in error["message"]


async def test_a_folder_without_a_key_says_what_to_do(tmp_path: Path) -> None:
    """An operator who cleared away the first login and the command line's key, and then wants one more edge."""
    async with up(tmp_path, *SMALL) as running:
        await running.ready()
        await running.stop()
    for name in ("first-login.json", "cli-key"):
        (tmp_path / name).unlink()
    async with up(tmp_path, *SMALL) as running:
        assert not (await running.ready())["first_start"]
        await running.stop()
    error = await refused(tmp_path, *ANY_PORTS, "--edges", "1", "--no-demo")
    assert "cli-key" in error["message"] and "edge-a" in error["message"]
