"""The declarative base and the column types that mean the same on SQLite and on PostgreSQL.

Annotations decide the type: `int` is 64 bits wide everywhere (byte counts outgrow 32), `datetime` is always aware and
always UTC, `dict` and `list` are JSON (binary JSON on PostgreSQL).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Integer, MetaData, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

# Every constraint has a name that both databases derive alike, so that a later migration can drop it by name.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. Takes and returns aware datetimes; a naive one is refused rather than guessed at."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"A naive datetime ({value}) cannot be stored; use kernel.clock.utc_now().")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")
"""A JSON document; on PostgreSQL the indexed binary kind."""

WideInteger = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both; SQLite's INTEGER is 64 bits already, and only that name gives it row-id keys."""


class Base(DeclarativeBase):
    """The parent of every table of every layer; a service's `records.py` derives from it."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads this attribute from the class)
        datetime: UtcDateTime(),
        int: WideInteger,
        str: String(),
        dict[str, Any]: Json,
        list[Any]: Json,
        list[str]: Json,
        list[dict[str, Any]]: Json,
    }
