"""What the source imports is what pyproject.toml declares: nothing works by accident of somebody else's dependency."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = frozenset({"skyriver", "bootstrap", "bench", "tests"})


def third_party(folder: str) -> dict[str, str]:
    """Top-level names imported under `folder`, each with one file that does so."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            found |= {name.split(".")[0]: str(path.relative_to(ROOT)) for name in names}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names and name not in OURS}


def undeclared(folder: str, *, extras: tuple[str, ...] = ()) -> dict[str, str]:
    """Imports of distributions that pyproject.toml does not ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    distributions = packages_distributions()
    return {
        name: path
        for name, path in third_party(folder).items()
        if not declared & {canonicalize_name(distribution) for distribution in distributions.get(name, [])}
    }


def test_the_product_declares_what_it_imports() -> None:
    assert undeclared("src") == {}


def test_the_tests_declare_what_they_import() -> None:
    assert undeclared("tests", extras=("test",)) == {}
    assert undeclared("bench", extras=("test",)) == {}


def test_the_launcher_needs_nothing_but_python() -> None:
    assert third_party("bootstrap") == {}
