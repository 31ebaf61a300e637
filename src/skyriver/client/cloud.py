"""Which cloud a program talks to, and with which credential.

`skyriver up` leaves two files in its data folder: `cloud.json` ({"url", "ca"?}) and `cli-key` (an API key, readable
by its owner only). The environment wins over the folder: SKYRIVER_URL and SKYRIVER_TOKEN name a cloud elsewhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from skyriver.kernel.errors import InvalidInput, SkyriverError

DEFAULT_DATA = Path("~/.skyriver")
CLOUD_FILE = "cloud.json"
KEY_FILE = "cli-key"


class CloudNotReachable(SkyriverError):
    """No cloud was found, or the one that was found does not answer."""

    code = "cloud_not_reachable"
    http_status = 503


@dataclass(frozen=True)
class Cloud:
    """Where the API is (`url`, without a trailing slash), the credential, and the CA file its certificate needs."""

    url: str
    token: str | None = None
    ca: Path | None = None
    data: Path | None = None


def find_cloud(data: Path | None = None, environment: Mapping[str, str] | None = None) -> Cloud:
    """The cloud to talk to: `data` when the caller named a folder, else the environment, else ~/.skyriver.

    Raises:
        CloudNotReachable: nothing says where a cloud is.
        InvalidInput: cloud.json is there and makes no sense.
    """
    environment = os.environ if environment is None else environment
    url = environment.get("SKYRIVER_URL")
    if url and data is None:
        folder = DEFAULT_DATA.expanduser()
        return Cloud(url.rstrip("/"), environment.get("SKYRIVER_TOKEN") or None, data=folder)
    folder = (data or DEFAULT_DATA).expanduser()
    found = _read_cloud_file(folder)
    ca = found.get("ca")
    return Cloud(
        found["url"].rstrip("/"),
        environment.get("SKYRIVER_TOKEN") or _read_key(folder),
        folder / ca if ca else None,
        folder,
    )


def _read_cloud_file(folder: Path) -> dict[str, str]:
    path = folder / CLOUD_FILE
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CloudNotReachable(
            f"No cloud is known: there is no {path}.",
            hint="Start one with `skyriver up`, name its folder with --data, or set SKYRIVER_URL and SKYRIVER_TOKEN.",
            code="no_cloud",
        ) from error
    except PermissionError as error:
        raise InvalidInput(
            f"Cannot read {path}: it belongs to somebody else.",
            hint="Run as the user who started the cloud, or set SKYRIVER_URL and SKYRIVER_TOKEN.",
        ) from error
    except (OSError, ValueError) as error:
        raise _malformed(path, str(error)) from error
    if not isinstance(found, dict) or not isinstance(found.get("url"), str):
        raise _malformed(path, "it has no `url`")
    return found


def _malformed(path: Path, why: str) -> InvalidInput:
    return InvalidInput(
        f"Cannot use {path}: {why}.",
        hint="`skyriver up` writes this file anew at every start; restart the cloud, or delete the file.",
    )


def _read_key(folder: Path) -> str | None:
    try:
        return (folder / KEY_FILE).read_text().strip() or None
    except OSError:
        return None  # health and public channels need no credential; what does says so itself, with a 401
