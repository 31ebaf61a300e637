"""What a measurement was taken on: without it a number means nothing."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from skyriver import __version__
from skyriver.kernel.clock import utc_now

_LIBRARIES = ("moq-rs", "moq-ffi", "av")


def describe() -> dict[str, Any]:
    """The machine and the versions of what was measured; load is the mean number of running tasks, last minute."""
    return {
        "at": utc_now().isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "skyriver": __version__,
        **{name: metadata.version(name) for name in _LIBRARIES},
    }


def header() -> str:
    """The same as one line of Markdown."""
    seen = describe()
    libraries = ", ".join(f"{name} {seen[name]}" for name in _LIBRARIES)
    return (
        f"{seen['at']}, {seen['processor']}, {seen['cores']} cores, load {seen['load_1min']}; {seen['system']}, "
        f"Python {seen['python']}, Skyriver {seen['skyriver']}, {libraries}"
    )


def markdown(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """A table as documents hold it."""
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join('-' if cell is None else str(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"
