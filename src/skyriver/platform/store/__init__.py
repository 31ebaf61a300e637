"""The SQL store: truth about what should be. SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

from skyriver.platform.store.base import Base, Json, UtcDateTime, WideInteger
from skyriver.platform.store.store import Store

__all__ = ["Base", "Json", "Store", "UtcDateTime", "WideInteger"]
