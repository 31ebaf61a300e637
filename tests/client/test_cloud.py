"""How a program finds its cloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skyriver.client import CloudNotReachable, find_cloud
from skyriver.kernel.errors import InvalidInput


def write(folder: Path, cloud: object, key: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "cloud.json").write_text(json.dumps(cloud))
    if key is not None:
        (folder / "cli-key").write_text(key + "\n")
    return folder


def test_a_named_folder_wins_over_the_environment(tmp_path: Path) -> None:
    folder = write(tmp_path / "sky", {"url": "http://here:7000/"}, "sky_key_a")
    cloud = find_cloud(folder, {"SKYRIVER_URL": "http://elsewhere"})
    assert (cloud.url, cloud.token, cloud.data) == ("http://here:7000", "sky_key_a", folder)


def test_the_environment_wins_over_the_default_folder() -> None:
    cloud = find_cloud(None, {"SKYRIVER_URL": "https://elsewhere/", "SKYRIVER_TOKEN": "sky_key_b"})
    assert (cloud.url, cloud.token) == ("https://elsewhere", "sky_key_b")


def test_a_token_in_the_environment_replaces_the_folders(tmp_path: Path) -> None:
    folder = write(tmp_path, {"url": "http://here", "ca": "ca.pem"}, "sky_key_a")
    cloud = find_cloud(folder, {"SKYRIVER_TOKEN": "sky_key_b"})
    assert (cloud.token, cloud.ca) == ("sky_key_b", folder / "ca.pem")


def test_no_cloud_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(CloudNotReachable) as caught:
        find_cloud(tmp_path, {})
    assert "skyriver up" in caught.value.hint


@pytest.mark.parametrize("content", ["", "[]", '{"address": "x"}', "\0"])
def test_a_spoilt_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "cloud.json").write_text(content)
    with pytest.raises(InvalidInput, match=r"cloud\.json"):
        find_cloud(tmp_path, {})
