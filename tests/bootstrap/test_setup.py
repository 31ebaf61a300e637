"""The launcher's Python half: stamps, turns, and failures in the user's terms."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap import checks, console, environment
from bootstrap.report import SetupProblem, explain, failure
from bootstrap.tools import run_logged
from bootstrap.turns import STATE_FOLDER, one_at_a_time, state_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a console that was built from its sources, and stamped."""
    (tmp_path / "console" / "src").mkdir(parents=True)
    (tmp_path / "console" / "package.json").write_text("{}")
    (tmp_path / "console" / "src" / "main.ts").write_text("let a = 1")
    built = tmp_path / "src" / "skyriver" / "console_dist"
    built.mkdir(parents=True)
    (built / "index.html").write_text("<html>")
    stamp(tmp_path)
    return tmp_path


def stamp(checkout: Path) -> None:
    """Say that the console in the package was made from the sources as they are now."""
    (state_folder(checkout) / "console").write_text(console.digest_of(checkout / "console"))


def test_an_unchanged_console_is_current(checkout: Path) -> None:
    assert console.is_current(checkout)
    (checkout / "console" / "node_modules").mkdir()
    (checkout / "console" / "node_modules" / "x.js").write_text("not a source")
    assert console.is_current(checkout)


def test_a_changed_a_new_a_renamed_or_a_lost_file_makes_it_stale(checkout: Path) -> None:
    source = checkout / "console" / "src" / "main.ts"
    source.write_text("let a = 2")
    assert not console.is_current(checkout)
    stamp(checkout)
    (checkout / "console" / "new.ts").touch()
    assert not console.is_current(checkout)
    stamp(checkout)
    source.rename(source.with_name("other.ts"))
    assert not console.is_current(checkout)
    stamp(checkout)
    (checkout / "src" / "skyriver" / "console_dist" / "index.html").unlink()
    assert not console.is_current(checkout)


def test_an_environment_is_current_only_with_the_stamp_of_this_lock_and_no_unfinished_work(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("a==1\n")
    assert not environment.is_current(tmp_path, environment.RUNTIME)
    stamps = tmp_path / ".venv" / ".skyriver"
    stamps.mkdir(parents=True)
    python = environment.python_of(tmp_path)
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    (stamps / "runtime").write_text(environment.digest_of(tmp_path, environment.RUNTIME))
    assert environment.is_current(tmp_path, environment.RUNTIME)
    (stamps / "changing").touch()
    assert not environment.is_current(tmp_path, environment.RUNTIME)
    (stamps / "changing").unlink()
    (tmp_path / "requirements.lock").write_text("a==2\n")
    assert not environment.is_current(tmp_path, environment.RUNTIME)


def test_the_second_waits_until_the_first_is_done(tmp_path: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from bootstrap.turns import one_at_a_time\n"
        f"with one_at_a_time(Path({str(tmp_path)!r})):\n"
        "    print('in', flush=True)\n"
    )
    with one_at_a_time(tmp_path):
        second = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert second.stdout and second.stderr
        assert b"waiting for it" in second.stderr.readline()
    with second:
        assert second.stdout.read() == b"in\n"
        second.stderr.read()


def test_a_folder_that_cannot_be_written_to_is_a_problem_with_advice(tmp_path: Path) -> None:
    (tmp_path / STATE_FOLDER).write_text("a file where the folder should be")
    with pytest.raises(SetupProblem, match="clone it into a folder of your own"):
        state_folder(tmp_path)


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("npm error code ENOTFOUND\nnpm error getaddrinfo ENOTFOUND", "cannot be resolved"),
        (
            "WARNING: NameResolutionError(...)\nERROR: No matching distribution found for av==18.1.0",
            "resolved",
        ),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "not the one this version"),
        ("SSLError(SSLCertVerificationError('CERTIFICATE_VERIFY_FAILED'))", "PIP_CERT"),
        ("[Errno 111] Connection refused", "cannot be reached"),
        ("ERROR: No matching distribution found for moq-ffi==0.4.18", "package of moq-ffi"),
        ("EROFS: read-only file system", "cannot be written to"),
    ],
)
def test_failures_are_explained_in_the_users_terms(output: str, advice: str) -> None:
    assert advice in explain(output)


def test_an_unknown_failure_shows_the_tools_last_words_and_the_log(tmp_path: Path) -> None:
    problem = str(failure("building the console", "one\ntwo", tmp_path / "console.log"))
    assert "building the console failed" in problem
    assert "    two" in problem
    assert "console.log" in problem


def test_a_tools_output_is_kept_and_its_status_told(tmp_path: Path) -> None:
    seen: list[str] = []
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    status, output = run_logged(
        [sys.executable, "-u", "-c", script], tmp_path / "log", progress=lambda line: seen.append(line)
    )
    assert status == 3
    assert output == "".join(seen) == (tmp_path / "log").read_text() == "out\nerr\n"


def test_a_missing_tool_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupProblem, match="cannot start /nowhere/npm"):
        run_logged(["/nowhere/npm"], tmp_path / "log")


def test_counts_come_from_pytests_own_report(tmp_path: Path) -> None:
    report = tmp_path / "pytest.xml"
    report.write_text('<testsuites><testsuite tests="10" failures="2" errors="1" skipped="3"/></testsuites>')
    counted = checks.counted(report)
    assert (counted.passed, counted.failed, counted.skipped) == (4, 3, 3)
    assert checks.counted(tmp_path / "none.xml").passed == 0
