"""What tests need from the machine itself and PyPI cannot give: a Chromium and the ffmpeg command."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bootstrap.report import say
from bootstrap.tools import run_logged
from bootstrap.turns import state_folder


@dataclass(frozen=True)
class SystemTool:
    """A command that tests use, under the names it goes by, its Debian package, and which tests go without it."""

    name: str
    commands: tuple[str, ...]
    package: str
    tests: str


TOOLS = (
    SystemTool(
        "Chromium",
        ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
        "chromium",
        "browser tests",
    ),
    SystemTool("ffmpeg", ("ffmpeg",), "ffmpeg", "tests that push with ffmpeg"),
)


def get_tools(root: Path) -> list[str]:
    """Install what is missing where we may. Returns what to tell the user, loudly, about what is still missing."""
    missing = [tool for tool in TOOLS if not _runs(tool)]
    if not missing:
        return []
    packages = [tool.package for tool in missing]
    if _may_install():
        say(f"installing {' and '.join(packages)} with apt-get, for the tests")
        log = state_folder(root) / "apt.log"
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        status, output = run_logged(["apt-get", "update"], log, env=quiet)
        if status == 0:
            command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
            status, output = run_logged(command, log, env=quiet)
        if status != 0:
            say(f"apt-get failed; the whole output is in {log}:\n{''.join(output.splitlines(keepends=True)[-5:])}")
        missing = [tool for tool in missing if not _runs(tool)]
    return [f"NOT RUN: {tool.tests}: there is no {tool.name} here. {_advice(tool)}" for tool in missing]


def _runs(tool: SystemTool) -> bool:
    """Whether a command of that name starts: Ubuntu's `chromium` may be a stub that only asks for a snap."""
    for name in tool.commands:
        if path := shutil.which(name):
            probe = subprocess.run([path, "-version" if tool.package == "ffmpeg" else "--version"], capture_output=True)
            if probe.returncode == 0:
                return True
    return False


def _may_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _advice(tool: SystemTool) -> str:
    if shutil.which("apt-get"):
        return f"Install it: sudo apt-get update && sudo apt-get install {tool.package}"
    if shutil.which("brew"):
        return f"Install it: brew install {tool.package}"
    if shutil.which("dnf"):
        return f"Install it: sudo dnf install {tool.package}"
    return f'Install your system\'s package "{tool.package}", so that {tool.commands[0]} is on the PATH.'
