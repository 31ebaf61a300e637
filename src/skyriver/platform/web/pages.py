"""Cursor pages: `{"items": [...], "next_cursor": "..." | null}`. A cursor names the last item seen, so that items added
or removed meanwhile never shift a page."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from skyriver.kernel.errors import InvalidInput
from skyriver.kernel.ids import is_id

T = TypeVar("T")
DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None = Field(None, description="Send it as `cursor` for the next page; null: none follows.")


@dataclass(frozen=True)
class PageQuery:
    """What a caller asked for."""

    limit: int = DEFAULT_LIMIT
    after: str | None = None


def page_query(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")] = None,
) -> PageQuery:
    """Dependency: the page a caller asked for."""
    return PageQuery(limit, decode_cursor(cursor) if cursor else None)


Paging = Annotated[PageQuery, Depends(page_query)]


def encode_cursor(last_id: str) -> str:
    """The cursor after the item `last_id`. Opaque on purpose: callers must not build their own."""
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """The id inside a cursor.

    Raises:
        InvalidInput: this is no cursor of ours.
    """
    try:
        last_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (ValueError, binascii.Error) as error:
        raise _bad_cursor() from error
    if not is_id(last_id):
        raise _bad_cursor()
    return last_id


def _bad_cursor() -> InvalidInput:
    return InvalidInput(
        "The cursor is not one this list gave out.", hint="Send `next_cursor` unchanged, or none to start over."
    )


async def fetch_page(
    session: AsyncSession,
    statement: Select[T],
    key: InstrumentedAttribute[str],
    paging: PageQuery,
    *,
    newest_first: bool = False,
) -> tuple[list[T], str | None]:
    """The rows of one page of `statement` ordered by `key` (an id, which sorts by creation), and the next cursor."""
    if paging.after is not None:
        statement = statement.where(key < paging.after if newest_first else key > paging.after)
    statement = statement.order_by(key.desc() if newest_first else key).limit(paging.limit + 1)
    rows: list[Any] = list((await session.scalars(statement)).all())
    more = len(rows) > paging.limit
    rows = rows[: paging.limit]
    return rows, encode_cursor(getattr(rows[-1], key.key)) if more else None
