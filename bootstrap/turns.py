"""One set-up at a time per checkout: two terminals may start at once, and must not write over each other."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bootstrap.report import SetupProblem, say

STATE_FOLDER = ".setup"


def state_folder(root: Path) -> Path:
    """Where stamps, the lock and the tools' output are kept. Made on first use."""
    folder = root / STATE_FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise SetupProblem(
            f"cannot write into {root}: {error.strerror}. "
            "Setting up needs a checkout that you may write to: clone it into a folder of your own."
        ) from error
    return folder


@contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Hold the checkout's set-up lock. The kernel releases it when this process and its tools are gone, even killed."""
    path = state_folder(root) / "setup.lock"
    try:
        lock = path.open("a")
    except OSError as error:
        raise SetupProblem(f"cannot open {path}: {error.strerror}. Is the checkout somebody else's?") from error
    with lock:
        # A launcher that is killed leaves its pip behind: that one keeps the lock until it has ended.
        os.set_inheritable(lock.fileno(), True)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another skyriver is setting up this checkout; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
