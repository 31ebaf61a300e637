"""Where recordings are kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

OBJECTS_URL_VARIABLE = "SKYRIVER_OBJECTS_URL"


def objects_url(data_dir: Path, environment: Mapping[str, str] = os.environ) -> str:
    """The object store's URL: from the environment, else the folder `objects` in the data folder."""
    return environment.get(OBJECTS_URL_VARIABLE) or f"file://{quote(str(data_dir.absolute() / 'objects'))}"
