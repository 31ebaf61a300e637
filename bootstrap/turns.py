"""One set-up at a time per checkout: two terminals may start at once, and must not write over each other."""

from __future__ import annotations

import fcntl
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
    """Hold the checkout's set-up lock; the kernel releases it even when this process is killed."""
    path = state_folder(root) / "setup.lock"
    try:
        lock = path.open("a")
    except OSError as error:
        raise SetupProblem(f"cannot open {path}: {error.strerror}. Is the checkout somebody else's?") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another skyriver is setting up this checkout; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
