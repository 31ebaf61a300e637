"""Tools that only the system can give: found when they run, and loudly missed when not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap import machine


def command(folder: Path, name: str, body: str) -> None:
    """A command on the PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_nothing_is_said_when_all_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path / "bin", "google-chrome", "exit 0")
    command(tmp_path / "bin", "ffmpeg", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert machine.get_tools(tmp_path) == []


def test_a_stub_that_does_not_run_counts_as_missing_and_the_fix_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(tmp_path / "bin", "chromium", "echo 'requires the chromium snap'; exit 1")
    command(tmp_path / "bin", "ffmpeg", "exit 0")
    command(tmp_path / "bin", "dnf", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (warning,) = machine.get_tools(tmp_path)
    assert "NOT RUN: browser tests" in warning
    assert "sudo dnf install chromium" in warning
