"""Private files, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def replace_private(path: Path, text: str) -> None:
    """Replace `path` by a file that only its owner may read; a crash leaves the old one or the new one.

    Raises:
        OSError: the folder is missing or cannot be written. Say in your caller's terms what that means.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)  # left by a crash, and perhaps with another mode
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
