"""Alembic's entry. Run by `Store.migrate()` with an open connection; it never opens one itself."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from skyriver.platform.store.base import Base
from skyriver.platform.store.migrations.rendering import render_item

connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",  # SQLite cannot alter most things in place
    render_item=render_item,
    compare_type=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
