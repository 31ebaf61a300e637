"""The virtual environment in `.venv`, filled from a lock file in which every version is pinned and every file hashed.

Stamps: `.venv/.skyriver/NAME` holds the digest of the lock that was installed last. `.venv/.skyriver/changing`
exists while the environment is written to; finding it at the start means that an earlier run was cut short, and
since nobody can say what it left behind, the environment is made anew (pip's own cache makes that quick). While
pip only downloads, nothing is written: losing the network never costs an environment that works.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bootstrap.report import SetupProblem, failure, say
from bootstrap.tools import run_logged
from bootstrap.turns import state_folder


@dataclass(frozen=True)
class Requirements:
    """A lock file and what it is for, in the words shown while it installs."""

    name: str
    lock: str
    purpose: str


RUNTIME = Requirements("runtime", "requirements.lock", "libraries")
TESTS = Requirements("tests", "requirements-test.lock", "test tools")
NODE = Requirements("node", "requirements-node.lock", "Node.js")


def folder_of(root: Path) -> Path:
    """The environment's folder."""
    return root / ".venv"


def python_of(root: Path) -> Path:
    """The environment's Python."""
    return folder_of(root) / "bin" / "python"


def is_current(root: Path, requirements: Requirements) -> bool:
    """Whether the environment has exactly what the lock says, judged by its stamp."""
    try:
        if _marker(root).exists() or not python_of(root).exists():
            return False
        return _stamp(root, requirements).read_text() == digest_of(root, requirements)
    except OSError:
        return False


def bring_up_to_date(root: Path, requirements: Requirements) -> None:
    """Make the environment if it is missing or broken, and install the lock. The caller holds the set-up lock."""
    if is_current(root, requirements):
        return
    try:
        if _marker(root).exists() or not _works(root):
            _make(root)
        _install(root, requirements)
    except OSError as error:
        raise SetupProblem(f"cannot write into {folder_of(root)}: {error.strerror}.") from error


def _make(root: Path) -> None:
    folder = folder_of(root)
    # We may be running on the environment's own Python, which is about to be removed; its base stays.
    base: str = getattr(sys, "_base_executable", None) or sys.executable
    if folder.exists():
        say("an earlier set-up did not finish, or its Python is gone: making the environment anew")
        shutil.rmtree(folder)
    _marker(root).parent.mkdir(parents=True)
    _marker(root).touch()
    log = state_folder(root) / "venv.log"
    status, output = run_logged([base, "-m", "venv", folder], log)
    if status != 0:
        if "ensurepip" in output:
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            raise SetupProblem(
                f"this Python ({base}) cannot make virtual environments: its venv module is packaged apart.\n"
                f"  Install it, then run this again:  sudo apt-get install python{version}-venv"
            )
        raise failure("making the Python environment", output, log)
    _marker(root).unlink()


def _install(root: Path, requirements: Requirements) -> None:
    wanted = len(re.findall(r"^[\w.-]+==", (root / requirements.lock).read_text(), re.MULTILINE))
    say(f"installing {requirements.purpose} (up to {wanted} packages; only when {requirements.lock} has changed)")
    _marker(root).parent.mkdir(parents=True, exist_ok=True)
    collected = 0

    def progress(line: str) -> str | None:
        nonlocal collected
        if line.startswith("Collecting "):
            collected += 1
            return f"[{min(collected, wanted)}/{wanted}] {line.split()[1]}"
        if line.startswith("Installing collected"):
            _marker(root).touch()
            return "unpacking"
        return None

    log = state_folder(root) / "pip.log"
    # Ready-made packages only: building PyAV or the QUIC library from source would need compilers and an hour.
    safe = ["--require-hashes", "--only-binary=:all:"]
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar=off"]
    pip = [str(python_of(root)), "-I", "-m", "pip"]
    command = [*pip, "install", *safe, *quiet, "-r", str(root / requirements.lock)]
    status, output = run_logged(command, log, progress=progress)
    if status != 0:
        raise failure(f"installing {requirements.purpose}", output, log)
    _see_sources(root)
    _stamp(root, requirements).write_text(digest_of(root, requirements))
    _marker(root).unlink(missing_ok=True)


def _see_sources(root: Path) -> None:
    """Let the environment import `src/`, by a path relative to it: the checkout may be moved."""
    site_packages = next(folder_of(root).glob("lib/python3*/site-packages"))
    (site_packages / "skyriver-checkout.pth").write_text("../../../../src\n")


def _works(root: Path) -> bool:
    """Whether the environment's Python starts and has pip: a system upgrade can take its base away."""
    try:
        probe = subprocess.run([python_of(root), "-I", "-c", "import pip"], capture_output=True, check=False)
    except OSError:
        return False
    return probe.returncode == 0


def _marker(root: Path) -> Path:
    return folder_of(root) / ".skyriver" / "changing"


def _stamp(root: Path, requirements: Requirements) -> Path:
    return folder_of(root) / ".skyriver" / requirements.name


def digest_of(root: Path, requirements: Requirements) -> str:
    """The stamp that an environment with this very lock has."""
    return hashlib.sha256((root / requirements.lock).read_bytes()).hexdigest()
