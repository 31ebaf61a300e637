"""The launcher's shell half, run for real in a copy of itself with stand-ins for Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
POSIX_TOOLS = ("sh", "dirname", "readlink", "uname")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose bootstrap only prints its arguments, in a folder with a space in its name."""
    root = tmp_path / "my checkout"
    (root / "bootstrap").mkdir(parents=True)
    shutil.copy(ROOT / "skyriver", root)
    (root / "bootstrap" / "__main__.py").write_text("import sys\nprint(sys.argv[1:])\n")
    return root


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with the POSIX tools that the launcher uses, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in POSIX_TOOLS:
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    return folder


def launch(launcher: Path, *arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the launcher to its end."""
    environment = {key: value for key, value in os.environ.items() if key != "SKYRIVER_PYTHON"} | env
    return subprocess.run([launcher, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def write_python(path: Path, body: str) -> None:
    """A command that stands in for some Python."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_arguments_arrive_as_they_were(checkout: Path) -> None:
    assert launch(checkout / "skyriver", "push", "a b.mp4", "*", "").stdout == "['push', 'a b.mp4', '*', '']\n"


def test_it_runs_through_a_chain_of_relative_links_from_any_folder(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "inner").symlink_to("../my checkout/skyriver")
    (tmp_path / "outer").symlink_to("bin/inner")
    ran = launch(tmp_path / "outer", "up", cwd=Path("/"))
    assert (ran.stdout, ran.returncode) == ("['up']\n", 0)


def test_without_python_it_says_exactly_what_to_install(checkout: Path, bare_path: Path) -> None:
    ran = launch(checkout / "skyriver", "up", PATH=str(bare_path))
    assert ran.returncode == 1
    assert "Python 3.11 or newer is needed" in ran.stderr
    assert "SKYRIVER_PYTHON" in ran.stderr


def test_an_old_python_is_named(checkout: Path, bare_path: Path) -> None:
    write_python(bare_path / "python3", 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi')
    ran = launch(checkout / "skyriver", "up", PATH=str(bare_path))
    assert ran.returncode == 1
    assert "Python 3.9.2, which is too old" in ran.stderr


def test_a_shim_that_does_not_run_is_passed_over(checkout: Path, bare_path: Path) -> None:
    write_python(bare_path / "python3", "echo pyenv: command not found >&2; exit 127")
    write_python(bare_path / "python3.11", f'exec "{sys.executable}" "$@"')
    assert launch(checkout / "skyriver", "up", PATH=str(bare_path)).stdout == "['up']\n"


def test_a_named_python_that_does_not_do_is_refused_by_name(checkout: Path) -> None:
    ran = launch(checkout / "skyriver", "up", SKYRIVER_PYTHON="/nowhere/python3")
    assert ran.returncode == 1
    assert "/nowhere/python3" in ran.stderr
