"""Settings that are nowhere described do not exist: every environment variable of ours is in the operations pages."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = re.compile(r"\bSKYRIVER_[A-Z][A-Z_]*\b")


def named_in(*paths: Path) -> set[str]:
    """Every variable named in these files."""
    return {name for path in paths for name in OURS.findall(path.read_text())}


def test_every_environment_variable_is_documented() -> None:
    sources = [ROOT / "skyriver", *(ROOT / "bootstrap").glob("*.py"), *(ROOT / "src").rglob("*.py")]
    assert named_in(*sources) - named_in(ROOT / "docs" / "operations" / "settings.md") == set()


def test_no_documented_variable_is_gone() -> None:
    sources = [ROOT / "skyriver", *(ROOT / "bootstrap").glob("*.py"), *(ROOT / "src").rglob("*.py")]
    assert named_in(ROOT / "docs" / "operations" / "settings.md") - named_in(*sources) == set()
