"""The node's own files, private and whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from skyriver.kernel.errors import WorldBroke
from skyriver.kernel.files import replace_private


def write_private(path: Path, text: str) -> None:
    """Replace `path` by a file that only its owner may read; a crash leaves the old or the new one.

    Raises:
        WorldBroke: the folder cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_private(path, text)
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
