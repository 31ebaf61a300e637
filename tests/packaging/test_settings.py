"""Settings that are nowhere described do not exist: every environment variable of ours is in the operations pages."""

from __future__ import annotations

import re
from pathlib import Path

from skyriver.platform.settings import ControlPlaneSettings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations" / "settings.md"
OURS = re.compile(r"\bSKYRIVER_[A-Z][A-Z_]*\b")


def named_in(*paths: Path) -> set[str]:
    """Every variable named in these files."""
    return {name for path in paths for name in OURS.findall(path.read_text())}


def read_by_the_product() -> set[str]:
    """What sources name, and what an API process makes of its settings' names: those that are secrets, or hold one."""
    sources = [ROOT / "skyriver", *(ROOT / "bootstrap").glob("*.py"), *(ROOT / "src").rglob("*.py")]
    fields = ControlPlaneSettings.model_fields.items()
    derived = {f"SKYRIVER_{name.upper()}" for name, info in fields if name == "database_url" or not info.repr}
    return named_in(*sources) | derived


def test_every_environment_variable_is_documented() -> None:
    assert read_by_the_product() - named_in(PAGE) == set()


def test_no_documented_variable_is_gone() -> None:
    assert named_in(PAGE) - read_by_the_product() == set()
