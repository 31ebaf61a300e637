"""What `up` says to people."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyriver.apps.cloud import CloudSettings
from skyriver.apps.cloud.announce import Announcer, Login

SETTINGS = CloudSettings(Path("/srv/sky"))


def told(login: Login | None, capsys: pytest.CaptureFixture[str]) -> str:
    Announcer(SETTINGS).ready("http://127.0.0.1:7000", "rtmp://127.0.0.1:1935/live", login)
    return capsys.readouterr().out


def test_the_password_is_shown_at_the_first_start_and_never_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert "hush" in told(Login("a@b.test", "hush", is_new=True), capsys)
    later = told(Login("a@b.test", "hush", is_new=False), capsys)
    assert "hush" not in later and "/srv/sky/first-login.json" in later
    assert "the account you have" in told(None, capsys)


def test_where_things_are_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(None, capsys)
    for part in ("http://127.0.0.1:7000", "rtmp://127.0.0.1:1935/live", "/srv/sky", "Ctrl-C"):
        assert part in shown


def test_progress_is_not_in_the_way_of_results(capsys: pytest.CaptureFixture[str]) -> None:
    Announcer(SETTINGS).starting("the bus")
    Announcer(SETTINGS).left_over(["api"])
    Announcer(SETTINGS).left_over([])
    seen = capsys.readouterr()
    assert seen.out == ""
    assert len(seen.err.splitlines()) == 2
