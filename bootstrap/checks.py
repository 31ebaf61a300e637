"""`./skyriver test`: every check there is, one summary, one exit status. CI runs exactly this.

The last line reads `N passed, N failed, N skipped`, where each check besides pytest counts as one.
With arguments, only pytest runs, with those arguments: `./skyriver test tests/kernel -k ids`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from bootstrap import console, environment, machine
from bootstrap.turns import one_at_a_time, state_folder

CHECK_LIMIT_S = 300.0
PYTEST_LIMIT_S = 1500.0  # a quarter of an hour on two quiet cores; a machine that is busy besides gets more
GOODBYE_S = 20.0  # pytest prints its summary and stops its servers after an interrupt
NOTHING_COLLECTED = 5  # pytest's exit status


@dataclass
class Result:
    """What one check came to. `note` says more where counts do not tell all."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    note: str = ""
    duration_s: float = 0.0


def run_all(root: Path, arguments: Sequence[str]) -> int:
    """Get what the tests need, run the checks, print the summary. Returns 0 only when nothing failed."""
    with one_at_a_time(root):
        environment.bring_up_to_date(root, environment.TESTS)
    warnings = machine.get_tools(root)
    results = [] if arguments else [*_check_sources(root), *_check_console(root)]
    results.append(_run_pytest(root, arguments or ["tests"]))
    _print_summary(results, warnings)
    return 1 if any(result.failed for result in results) else 0


def _check_sources(root: Path) -> list[Result]:
    python = str(environment.python_of(root))
    import_linter = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    return [
        _check("ruff check", [python, "-m", "ruff", "check", "."], root),
        _check("ruff format", [python, "-m", "ruff", "format", "--check", "."], root),
        _check("mypy --strict", [python, "-m", "mypy"], root),
        _check("import directions", [python, "-c", import_linter], root),
    ]


def _check_console(root: Path) -> list[Result]:
    """TypeScript, ESLint and Vitest, as the console's package.json names them."""
    package = root / "console" / "package.json"
    if not package.exists():
        return []
    scripts = json.loads(package.read_text()).get("scripts", {})
    with one_at_a_time(root):
        npm = console.find_npm(root)
        console.install_packages(root, npm)
    return [
        _check(f"console {name}", [*npm.command, "run", "--silent", name], package.parent, npm.env)
        for name in ("typecheck", "lint", "test")
        if name in scripts
    ]


def _check(name: str, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Result:
    """Run one check; its output is shown only as it comes from the tool, unchanged."""
    print(f"\n== {name}", flush=True)
    started = time.monotonic()
    status = _run(command, folder, CHECK_LIMIT_S, env)
    result = Result(name, duration_s=time.monotonic() - started)
    if status == 0:
        result.passed = 1
    else:
        result.failed = 1
        result.note = f"took more than {CHECK_LIMIT_S:.0f} s" if status is None else f"exit status {status}"
    return result


def _run_pytest(root: Path, arguments: Sequence[str]) -> Result:
    print("\n== pytest", flush=True)
    report = state_folder(root) / "pytest.xml"
    report.unlink(missing_ok=True)
    started = time.monotonic()
    command = [str(environment.python_of(root)), "-m", "pytest", f"--junitxml={report}", *arguments]
    status = _run(command, root, PYTEST_LIMIT_S)
    result = counted(report)
    result.duration_s = time.monotonic() - started
    if status is None:
        result.note = f"stopped after {PYTEST_LIMIT_S:.0f} s"
    elif status not in (0, 1):
        result.note = "no test was found" if status == NOTHING_COLLECTED else f"exit status {status}"
    if status != 0 and result.failed == 0:
        result.failed = 1
    return result


def counted(report: Path) -> Result:
    """Counts from pytest's own report; nothing when pytest did not live to write it."""
    result = Result("pytest")
    if report.exists():
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            total, result.skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
            result.failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            result.passed = max(0, total - result.failed - result.skipped)
    return result


def _run(command: Sequence[str], folder: Path, limit_s: float, env: Mapping[str, str] | None = None) -> int | None:
    """Run with our own output. Returns the exit status, or None when it had to be stopped at its limit."""
    with subprocess.Popen(command, cwd=folder, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL) as process:
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(GOODBYE_S)
        except subprocess.TimeoutExpired:
            process.kill()
        return None


def _print_summary(results: Sequence[Result], warnings: Sequence[str]) -> None:
    print("\n== summary")
    for result in results:
        verdict = "FAILED" if result.failed else "ok"
        counts = f"{result.passed} passed, {result.failed} failed, {result.skipped} skipped"
        detail = ", ".join(part for part in (counts if result.name == "pytest" else "", result.note) if part)
        print(f"{result.name:20} {verdict:7} {result.duration_s:6.1f} s  {detail}".rstrip())
    for warning in warnings:
        print(f"\n!!! {warning}")
    passed = sum(result.passed for result in results)
    failed = sum(result.failed for result in results)
    skipped = sum(result.skipped for result in results)
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped", flush=True)
