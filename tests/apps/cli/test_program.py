"""The program as a whole: its help, its exit codes, how it tells a failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from skyriver.apps.cli import exits
from skyriver.apps.cli.program import app
from skyriver.client import CloudNotReachable
from skyriver.kernel.errors import InvalidInput, NotAllowed, NotFound, SkyriverError, WorldBroke

from .conftest import Run

HEAVY = ("httpx", "pydantic", "rich", "av", "moq", "sqlalchemy", "fastapi", "numpy", "psutil")


def test_help_names_every_command() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    for name in (
        "up",
        "status",
        "channel",
        "push",
        "watch",
        "drill",
        "bench",
        "node",
        "site",
        "tenant",
        "user",
        "api-key",
        "doctor",
    ):
        assert name in shown


def test_help_loads_nothing_heavy() -> None:
    """What makes `skyriver --help` quick is what it does not import; a timed test would tell of the machine instead."""
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom skyriver.apps.cli.program import app\n"
        f"assert CliRunner().invoke(app, ['--help']).exit_code == 0\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert ran.stdout.strip() == "[]"


def test_no_cloud_is_told_with_a_hint_and_no_traceback(run: Run, tmp_path: Path) -> None:
    ran = run("status", "--data", tmp_path)
    assert ran.code == exits.NO_CLOUD
    assert ran.out == ""
    assert "error: No cloud is known" in ran.err
    assert "hint: Start one with `skyriver up`" in ran.err
    assert "Traceback" not in ran.err


def test_a_failure_is_json_too_when_json_was_asked_for(run: Run, tmp_path: Path) -> None:
    ran = run("status", "--data", tmp_path, "--json")
    assert ran.json["error"]["code"] == "no_cloud"
    assert ran.json["error"]["exit"] == ran.code == exits.NO_CLOUD


@pytest.mark.parametrize(
    "words", [["bogus"], ["watch"], ["push", "nothing.mp4", "-c", "x"], ["drill", "edge", "-n", "0"]]
)
def test_used_wrongly(run: Run, words: list[str]) -> None:
    assert run(*words).code == exits.USAGE


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CloudNotReachable("x"), exits.NO_CLOUD),
        (NotAllowed("x"), exits.REFUSED),
        (NotFound("x"), exits.NO_SUCH_THING),
        (InvalidInput("x"), exits.USAGE),
        (WorldBroke("x"), exits.FAILED),
    ],
)
def test_exit_codes(error: SkyriverError, code: int) -> None:
    assert exits.exit_code(error) == code


def test_our_error_is_found_in_a_group_of_others() -> None:
    group = BaseExceptionGroup("all", [ValueError("noise"), ExceptionGroup("inner", [NotFound("this one")])])
    assert exits.told(group).message == "this one"


def test_a_credential_in_an_error_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    exits.report(WorldBroke("https://relay/live?jwt=abc.def broke; sky_pub_0123456789abcdef too"))
    assert "abc.def" not in (told := capsys.readouterr().err)
    assert "0123456789abcdef" not in told


def test_no_line_of_the_list_of_commands_is_cut_short() -> None:
    shown = CliRunner().invoke(app, ["--help"], prog_name="skyriver", terminal_width=80).stdout
    assert "..." not in shown.partition("Commands:")[2]


def test_version(run: Run) -> None:
    assert run("--version").out.startswith("skyriver ")
    assert set(run("version", "--json").json) >= {"skyriver", "python", "moq-rs", "av"}


def test_ctrl_c_ends_a_watch_with_130(tmp_path: Path) -> None:
    """A real process, a real signal: the cloud it asks accepts the connection and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        (tmp_path / "cloud.json").write_text(json.dumps({"url": f"http://127.0.0.1:{silent.getsockname()[1]}"}))
        words = [sys.executable, "-m", "skyriver.apps.cli", "watch", "demo", "--data", str(tmp_path)]
        process = subprocess.Popen(words, env=_environment(), stderr=subprocess.PIPE, text=True)
        silent.accept()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == exits.INTERRUPTED
    assert "Traceback" not in errors


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": "src"}
