"""Private files, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from skyriver.kernel.errors import WorldBroke


def write_private(path: Path, text: str) -> None:
    """Replace `path` by a file that only its owner may read; a crash leaves the old or the new one.

    Raises:
        WorldBroke: the folder cannot be written.
    """
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise WorldBroke(
            f"Writing {path} failed: {error.strerror}.",
            hint="Free space on the disk, or make the folder writable for this user.",
        ) from error


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None when there is no such file or it is damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
