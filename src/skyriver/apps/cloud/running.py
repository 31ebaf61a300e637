"""One cloud a data folder: the lock that says so, and what a cloud that was killed left running.

The lock is the kernel's (`flock`): it goes with the process that holds it, however that one ends.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from skyriver.apps.cloud.settings import CloudSettings
from skyriver.kernel.errors import Conflict

log = logging.getLogger(__name__)

GRACE_S = 15.0  # what an agent gives its workloads to drain, and a little
LAST_GRACE_S = 3.0


@contextmanager
def only_one(settings: CloudSettings) -> Iterator[None]:
    """Hold the data folder while the block runs.

    Raises:
        Conflict: another `up` holds it.
    """
    with settings.lock_path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise Conflict(
                f"A cloud already runs on {settings.data} (process {lock.read().strip() or 'unknown'}).",
                hint="Stop it first, or choose another folder with --data.",
                code="already_running",
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def end_leftovers(settings: CloudSettings) -> list[str]:
    """End what a killed `up` left on this data folder; its names. The caller holds the folder.

    Agents drain their workloads; workloads whose agent was killed as well end by themselves, and are waited for,
    because they still hold their ports.
    """
    noted = list(settings.run_dir.glob("*.pid"))
    if not noted:
        return []  # the last `up` stopped in order
    found = {path: process for path in noted if (process := _ours(path, settings.data))}
    workloads = [child for process in found.values() for child in _children(process)]
    for process in found.values():
        with suppress(psutil.Error):
            process.terminate()
    left = [*found.values(), *workloads, *_abandoned_workloads()]
    _gone, alive = psutil.wait_procs(left, GRACE_S)
    for process in set(alive) & {*found.values(), *workloads}:
        log.warning("Process %d did not end and is killed.", process.pid)
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, LAST_GRACE_S)
    for path in noted:
        path.unlink(missing_ok=True)
    return sorted(path.stem for path in found)


def _ours(path: Path, data: Path) -> psutil.Process | None:
    """The process of a pid file, if it is still the one that was meant: pids are used again."""
    try:
        process = psutil.Process(int(path.read_text()))
        words = process.cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    places = [word for word in words if word == str(data) or word.startswith(f"{data}/")]
    return process if places and any(word.startswith("skyriver.apps.") for word in words) else None


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _abandoned_workloads() -> list[psutil.Process]:
    """Workloads of this user that no agent holds any more."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if "skyriver.apps.workload" in process.cmdline() and process.uids().real == os.getuid():
                parent = process.parent()
                if parent is None or parent.pid == 1 or parent.name() == "systemd":  # who takes orphans in
                    found.append(process)
    return found
