"""Usage facts: checked when they come in, stored once however often they come, summed on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import case, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.errors import InvalidInput
from skyriver.platform.fabric_keys import tenant_of_jti
from skyriver.platform.ledger.records import UsageFactRecord

GroupBy = Literal["tenant", "space", "site"]
_COLUMNS = {"tenant": UsageFactRecord.tenant_id, "space": UsageFactRecord.space, "site": UsageFactRecord.site_id}
_MAX_BYTES = 1 << 60  # no session carries an exabyte: such a number is a fault of the reporter
_SESSION_FROM_BYTES = 16_384
"""In one fact (5 s). A viewer's standby moves a handshake, a catalog and acknowledgements, 10 KB at most, and is no
session of its own that is counted or charged; the leanest thing that we send, sound alone, is 60 KB."""
_INSERT_ROWS = 500  # 13 columns each: SQLite takes 32,766 parameters in one statement


@dataclass(frozen=True)
class UsageFact:
    """What one relay session carried in one interval (UTC)."""

    source: str
    seq: int
    node_id: str
    site_id: str | None
    tenant_id: str | None
    space: str
    jti: str
    bytes_sent: int
    bytes_received: int
    started_at: datetime
    ended_at: datetime
    final: bool


class BadFact(InvalidInput):
    """A node reported something that is no usage fact."""

    code = "bad_usage_fact"


def read_fact(body: Mapping[str, Any], *, node_id: str, site_id: str | None) -> UsageFact:
    """The fact in what a relay of `node_id` reported.

    Raises:
        BadFact: a field is missing, of the wrong type or absurd.
    """
    try:
        fact = UsageFact(
            source=f"{node_id}/{_text(body, 'source')}",
            seq=_count(body, "seq"),
            node_id=node_id,
            site_id=site_id,
            tenant_id=tenant_of_jti(str(body.get("jti", ""))),
            space=_text(body, "space", empty=True),
            jti=str(body.get("jti", ""))[:64],
            bytes_sent=_count(body, "bytes_sent"),
            bytes_received=_count(body, "bytes_received"),
            started_at=_moment(body, "from_us"),
            ended_at=_moment(body, "to_us"),
            final=bool(body.get("final", False)),
        )
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise BadFact(f"Node {node_id} reported a usage fact that cannot be read: {error!r}.") from error
    if fact.ended_at < fact.started_at:
        raise BadFact(f"Node {node_id} reported usage that ends before it begins.")
    return fact


def _text(body: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    value = body[name]
    if not isinstance(value, str) or len(value) > 200 or not (value or empty):
        raise ValueError(f"{name} must be text of at most 200 characters")
    return value


def _count(body: Mapping[str, Any], name: str) -> int:
    value = body[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_BYTES:
        raise ValueError(f"{name} must be a whole number from 0 to 2^60")
    return value


def _moment(body: Mapping[str, Any], name: str) -> datetime:
    return datetime.fromtimestamp(_count(body, name) / 1e6, UTC)


async def store_facts(session: AsyncSession, facts: Sequence[UsageFact]) -> int:
    """Insert the facts that are not stored yet; how many those were. Repeating it changes nothing."""
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    # One statement may not name a key twice on PostgreSQL only with DO UPDATE, but the count should be right on both.
    unique = list({(fact.source, fact.seq): asdict(fact) for fact in facts}.values())
    stored = 0
    for start in range(0, len(unique), _INSERT_ROWS):
        statement = (
            insert(UsageFactRecord)
            .values(unique[start : start + _INSERT_ROWS])
            .on_conflict_do_nothing(index_elements=["source", "seq"])
            .returning(UsageFactRecord.seq)
        )
        stored += len((await session.scalars(statement)).all())
    return stored


@dataclass(frozen=True)
class UsageSum:
    """Bytes of one group. `key` is the tenant, space or site id; None: no tenant (the platform's own). `sessions` are
    those that carried media: a viewer's standby is none."""

    key: str | None
    bytes_sent: int
    bytes_received: int
    sessions: int


async def sum_usage(
    session: AsyncSession,
    *,
    since: datetime,
    until: datetime,
    by: GroupBy,
    tenant_id: str | None = None,
    space: str | None = None,
) -> list[UsageSum]:
    """Sums of the facts that ended in [since, until), largest first. `tenant_id` None: of all tenants."""
    column = _COLUMNS[by]
    sent = func.coalesce(func.sum(UsageFactRecord.bytes_sent), 0)
    moved = UsageFactRecord.bytes_sent + UsageFactRecord.bytes_received
    query = (
        select(
            column,
            sent,
            func.coalesce(func.sum(UsageFactRecord.bytes_received), 0),
            func.count(case((moved >= _SESSION_FROM_BYTES, UsageFactRecord.source)).distinct()),
        )
        .where(UsageFactRecord.ended_at >= since, UsageFactRecord.ended_at < until)
        .group_by(column)
        .order_by(sent.desc(), column)
        .limit(1000)
    )
    if tenant_id is not None:
        query = query.where(UsageFactRecord.tenant_id == tenant_id)
    if space is not None:
        query = query.where(UsageFactRecord.space == space)
    rows = await session.execute(query)
    return [UsageSum(key, int(sent), int(received), int(sessions)) for key, sent, received, sessions in rows]
