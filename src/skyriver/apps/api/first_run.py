"""What the very first start makes: the schema, the operator, and a file that holds the first login."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from skyriver.kernel.errors import WorldBroke
from skyriver.kernel.files import replace_private
from skyriver.platform.identity import FirstLogin, bootstrap
from skyriver.platform.settings import ControlPlaneSettings
from skyriver.platform.store import Store

FIRST_LOGIN_FILE = "first-login.json"


async def first_run(settings: ControlPlaneSettings) -> FirstLogin | None:
    """Migrate the store and make the operator, once; the first login goes to a file only its owner may read.

    Raises:
        WorldBroke: the store or the folder cannot be written.
    """
    store = Store(settings.store_url)
    try:
        await store.migrate()
        login = await bootstrap(store)
    finally:
        await store.close()
    if login is not None:
        _keep(settings.data_dir / FIRST_LOGIN_FILE, login)
    return login


def _keep(path: Path, login: FirstLogin) -> None:
    try:
        replace_private(path, json.dumps(asdict(login)))
    except OSError as error:
        raise WorldBroke(
            f"Could not write the first login to {path}: {error.strerror}.",
            hint="Make the folder writable, delete the new database and start again.",
        ) from error
