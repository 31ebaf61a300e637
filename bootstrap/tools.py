"""Run a tool, keep all that it prints in a log, and show one line of progress."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bootstrap.report import SetupProblem


def run_logged(
    command: Sequence[str | Path],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    progress: Callable[[str], str | None] = lambda _: None,
) -> tuple[int, str]:
    """Run `command` to its end. Returns its exit status and its output (stdout and stderr, mixed).

    `progress` is called with each line of output, and returns a short line to show, or None. Ctrl-C reaches the tool
    by itself, since it is in our process group; we wait for its end so that it never works on behind our back.
    """
    shown = sys.stderr.isatty()
    lines: list[str] = []
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            close_fds=False,  # the set-up lock is meant to be inherited, see turns; nothing else of ours is inheritable
        )
    except OSError as error:
        raise SetupProblem(f"cannot start {command[0]}: {error.strerror}.") from error
    assert process.stdout is not None
    with process, log.open("w", encoding="utf-8") as file:
        for line in process.stdout:
            lines.append(line)
            file.write(line)
            note = progress(line)
            if shown and note:
                print(f"\r\x1b[K  {note[:100]}", end="", file=sys.stderr, flush=True)
    if shown:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return process.returncode, "".join(lines)
