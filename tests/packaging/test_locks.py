"""Lock files: pinned, hashed, in step with pyproject.toml, and free of download addresses."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-test.lock", "requirements-node.lock")
ENTRY = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    """Versions by name."""
    return {match["name"]: match["version"] for match in ENTRY.finditer((ROOT / lock).read_text())}


def wanted(extra: str | None = None) -> list[Requirement]:
    """What pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_is_a_pin_or_a_hash(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    for entry in re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)):
        first, *hashes = entry.strip().split(" \\\n")
        assert ENTRY.match(first), first
        assert hashes, f"{first} has no hash"
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line.strip()) for line in hashes)


@pytest.mark.parametrize(("lock", "extra"), [("requirements.lock", None), ("requirements-test.lock", "test")])
def test_the_lock_satisfies_pyproject(lock: str, extra: str | None) -> None:
    pinned = pins(lock)
    for requirement in wanted(extra):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in {lock}: run bootstrap/lock.sh"
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}: run bootstrap/lock.sh"


def test_the_tests_run_against_what_users_get() -> None:
    tested = pins("requirements-test.lock")
    assert {name: tested.get(name) for name in pins("requirements.lock")} == pins("requirements.lock")


def test_the_consoles_lock_names_no_download_address() -> None:
    assert '"resolved"' not in (ROOT / "console" / "package-lock.json").read_text()
