"""The whole schema: every table of every layer, and the tool that writes revisions from it.

    python -m skyriver.apps.api.schema "Add invoices"      # a new revision: what the tables have and the head has not
    python -m skyriver.apps.api.schema --initial           # write the first revision anew (before the first release)

Tables live in modules named `records`, wherever they are; that name is how they are found.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import Connection, MetaData

import skyriver
from skyriver.platform.store import Base, Store
from skyriver.platform.store.migrate import alembic_config

VERSIONS = Path(skyriver.__file__).parent / "platform" / "store" / "migrations" / "versions"


def whole_schema() -> MetaData:
    """The metadata of every table of every layer."""
    for found in pkgutil.walk_packages(skyriver.__path__, "skyriver."):
        if found.name.rsplit(".", 1)[-1] == "records":
            importlib.import_module(found.name)
    return Base.metadata


def write_revision(message: str, *, initial: bool) -> None:
    """Write a revision that brings the head's schema to the tables' present state."""
    whole_schema()
    if initial:
        for old in VERSIONS.glob("[0-9]*.py"):
            old.unlink()
    number = max((int(path.name[:4]) for path in VERSIONS.glob("[0-9]*.py")), default=0) + 1

    def write(connection: Connection) -> None:
        config = alembic_config(connection)
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        command.upgrade(config, "head")
        command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = Store(f"sqlite:///{folder}/schema.db")
            async with store.engine.begin() as connection:
                await connection.run_sync(write)
            await store.close()

    asyncio.run(run())
    for fix in (["check", "--quiet", "--fix", "--select", "I"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *fix, str(VERSIONS)], check=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Write a revision of the store's schema.")
    parser.add_argument("message", nargs="?", default="The first schema")
    parser.add_argument("--initial", action="store_true", help="write the first revision anew")
    arguments = parser.parse_args()
    write_revision(arguments.message, initial=arguments.initial)


if __name__ == "__main__":
    main()
