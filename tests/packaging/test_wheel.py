"""The product as a wheel: built from this checkout, installed into a clean environment elsewhere, and run there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.packaging


def run(*command: str | Path, cwd: Path) -> str:
    """Run to the end, away from the checkout and its imports; the output is shown when it fails."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    ran = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, its console included."""
    if not (ROOT / "src" / "skyriver" / "console_dist" / "index.html").exists():
        pytest.skip("the console is not built here: run ./skyriver once")
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (made,) = folder.glob("skyriver-*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a clean environment with the wheel and the locked libraries in it."""
    folder = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(folder, with_pip=True, symlinks=True)
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(*pip, "--require-hashes", "--only-binary=:all:", "-r", ROOT / "requirements.lock", cwd=folder)
    run(*pip, "--no-deps", wheel, cwd=folder)
    run(python, "-m", "pip", "check", cwd=folder)
    return folder / "bin"


def test_the_wheel_holds_the_console_the_migrations_and_the_licences(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "skyriver/console_dist/index.html" in names
    assert any(name.startswith("skyriver/console_dist/assets/") and name.endswith(".js") for name in names)
    assert any(name.startswith("skyriver/platform/store/migrations/versions/") for name in names)
    assert "skyriver/py.typed" in names
    assert {name.rsplit("/", 1)[1] for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"skyriver", wheel.name.split("-py3")[0] + ".dist-info"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".log", ".db"))]


def test_the_command_runs_away_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert "up" in run(installed / "skyriver", "--help", cwd=tmp_path)


def test_every_module_imports_with_the_declared_libraries_alone(installed: Path, tmp_path: Path) -> None:
    script = """
import importlib, pkgutil, skyriver
walked = pkgutil.walk_packages(skyriver.__path__, "skyriver.")
names = [m.name for m in walked if not m.name.endswith("__main__") and ".migrations" not in m.name]
for name in names:
    importlib.import_module(name)
print(len(names), skyriver.__file__)
"""
    count, path = run(installed / "python", "-c", script, cwd=tmp_path).split()
    assert int(count) > 50
    assert not Path(path).is_relative_to(ROOT)


def test_up_serves_its_console_away_from_the_checkout_and_stops_when_asked(installed: Path, tmp_path: Path) -> None:
    """With the default data folder, so in a home of its own; commands find the cloud there without being told."""
    options = ["--port", "0", "--rtmp-port", "0", "--udp-port", "0", "--edges", "1", "--no-demo", "--json"]
    env = os.environ | {"HOME": str(tmp_path)}
    command: list[str | Path] = [installed / "skyriver", "up", *options]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE) as up:
        assert up.stdout
        try:
            said = (json.loads(line) for line in up.stdout if line.startswith(b"{"))
            url = next(event["url"] for event in said if "url" in event)
            with urllib.request.urlopen(f"{url}/healthz") as answer:
                assert json.load(answer)["status"] == "ok"
            with urllib.request.urlopen(url) as page:
                assert b"/assets/" in page.read()
            asked: list[str | Path] = [installed / "skyriver", "status", "--json"]
            status = subprocess.run(asked, cwd=tmp_path, env=env, capture_output=True, check=True)
            assert json.loads(status.stdout)["url"] == url
        finally:
            up.send_signal(signal.SIGINT)
            up.stdout.read()
    assert up.returncode == 0
    assert (tmp_path / ".skyriver" / "skyriver.db").exists()
