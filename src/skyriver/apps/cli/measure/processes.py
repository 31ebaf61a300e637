"""What the processes of a cloud on this machine cost: CPU, memory, file descriptors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from skyriver.kernel.errors import InvalidInput

API_PID_FILE = Path("run/api.pid")


@dataclass(frozen=True)
class Usage:
    """One process at one moment. `pss_bytes` shares common pages fairly, so that a sum over processes is true."""

    pid: int
    name: str
    cpu_s: float
    rss_bytes: int
    pss_bytes: int
    descriptors: int


def api_pid(data: Path) -> int:
    """The process id of the API of the cloud in `data`.

    Raises:
        InvalidInput: no cloud runs from there.
    """
    try:
        return int((data / API_PID_FILE).read_text())
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"Cannot find the API's process: {data / API_PID_FILE} does not name one.",
            hint="This works on the machine of the cloud only: name its folder with --data.",
        ) from error


def cloud_processes(data: Path) -> list[psutil.Process]:
    """Every process of the cloud in `data`: the one that `up` runs in, and all below it.

    Raises:
        InvalidInput: no cloud runs from there.
    """
    try:
        parent = psutil.Process(api_pid(data)).parent()
    except psutil.NoSuchProcess as error:
        raise InvalidInput(f"The cloud in {data} is not up.", hint="Start it with `skyriver up`.") from error
    assert parent is not None
    return [parent, *parent.children(recursive=True)]


def usage_of(processes: list[psutil.Process]) -> list[Usage]:
    """A sample of each process that still lives."""
    found = []
    for process in processes:
        try:
            with process.oneshot():
                cpu, memory = process.cpu_times(), process.memory_info()
                name = _name(process.cmdline())
                descriptors = process.num_fds() if hasattr(process, "num_fds") else 0
            pss_bytes = getattr(process.memory_full_info(), "pss", memory.rss)
            found.append(Usage(process.pid, name, cpu.user + cpu.system, memory.rss, pss_bytes, descriptors))
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def _name(words: list[str]) -> str:
    """`workload relay` rather than `python`: what stands after -m, or the program's own name."""
    if "-m" in words:
        at = words.index("-m") + 1
        return " ".join(word for word in words[at : at + 2]).removeprefix("skyriver.apps.")
    return Path(words[0]).name if words else "?"
