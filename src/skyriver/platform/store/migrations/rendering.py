"""How our column types are written in a revision: in SQLAlchemy's own words, so that revisions outlive our modules."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import JSON

from skyriver.platform.store.base import UtcDateTime


def render_item(kind: str, item: Any, context: Any) -> str | Literal[False]:
    """Alembic's `render_item` hook; False means "render it as usual"."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, JSON):
        context.imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False
