"""What one can do with alarms: raise, clear, acknowledge, forget. Each in the caller's transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.errors import NotFound
from skyriver.platform.alarms.model import Condition, Severity, Subject
from skyriver.platform.alarms.records import AlarmRecord
from skyriver.platform.identity import Principal, record_audit
from skyriver.platform.webhooks import publish_event

RECURS_WITHIN = timedelta(minutes=10)
"""An alarm that comes back this soon is the same trouble again: one line that counts, not a page of them."""

KEPT = timedelta(days=90)
KEPT_PER_TENANT = 10_000
"""Closed alarms beyond these are forgotten, oldest first."""

MESSAGE_CHARS_MAX = 500


class AlarmNotFound(NotFound):
    code = "alarm_not_found"

    def __init__(self, alarm_id: str) -> None:
        super().__init__(f"There is no alarm {alarm_id}.", hint="GET /v1/alarms lists them; old ones are forgotten.")


async def raise_alarm(session: AsyncSession, source: str, condition: Condition, now: datetime) -> AlarmRecord | None:
    """Open the alarm of a condition; the record if that changed anything, None if it is open already.

    An alarm that was cleared less than `RECURS_WITHIN` ago is opened again and counts one more; whoever had
    acknowledged it is asked again.
    """
    if await _open_alarm(session, condition.key) is not None:
        return None
    alarm = await _cleared_lately(session, condition, now)
    if alarm is None:
        alarm = AlarmRecord(tenant_id=condition.tenant_id, kind=condition.kind, raised_at=now, count=0)
    alarm.source = source
    try:
        async with session.begin_nested():
            session.add(_describe(alarm, condition, now))
    except IntegrityError:  # another process was first, or the tenant is gone: either way there is nothing to raise
        return None
    await publish_event(session, alarm.tenant_id, "alarm.raised", alarm_data(alarm))
    return alarm


async def clear_alarm(session: AsyncSession, key: str, now: datetime) -> AlarmRecord | None:
    """Close an alarm by its key; the record if it was open."""
    alarm = await _open_alarm(session, key)
    if alarm is None:
        return None
    alarm.open_key, alarm.cleared_at = None, now
    await session.flush()
    await publish_event(session, alarm.tenant_id, "alarm.cleared", alarm_data(alarm))
    return alarm


async def find_alarm(session: AsyncSession, tenant_id: str, alarm_id: str) -> AlarmRecord:
    """A tenant's alarm.

    Raises:
        AlarmNotFound: this tenant has none of that id.
    """
    query = select(AlarmRecord).where(AlarmRecord.tenant_id == tenant_id, AlarmRecord.id == alarm_id)
    if (alarm := await session.scalar(query)) is None:
        raise AlarmNotFound(alarm_id)
    return alarm


async def acknowledge(session: AsyncSession, caller: Principal, alarm_id: str, now: datetime) -> AlarmRecord:
    """Somebody has taken an alarm on. The first one counts; repeating it changes nothing.

    Raises:
        AlarmNotFound.
    """
    alarm = await find_alarm(session, caller.tenant_id, alarm_id)
    if alarm.acknowledged_at is None:
        alarm.acknowledged_at, alarm.acknowledged_by = now, caller.id
        record_audit(session, caller, "alarm.acknowledged", alarm.id, kind=alarm.kind, subject=alarm.subject_id)
        await session.flush()
    return alarm


async def forget_old(session: AsyncSession, now: datetime) -> None:
    """Delete what was closed long ago, and the oldest of a tenant that has too many."""
    closed = AlarmRecord.cleared_at.is_not(None)
    await session.execute(delete(AlarmRecord).where(closed, AlarmRecord.cleared_at < now - KEPT))
    counts = select(AlarmRecord.tenant_id, func.count()).where(closed).group_by(AlarmRecord.tenant_id)
    for tenant_id, count in (await session.execute(counts.having(func.count() > KEPT_PER_TENANT))).all():
        own = (closed, AlarmRecord.tenant_id == tenant_id)
        oldest = select(AlarmRecord.id).where(*own).order_by(AlarmRecord.id).limit(count - KEPT_PER_TENANT)
        await session.execute(delete(AlarmRecord).where(AlarmRecord.id.in_(oldest)))


def alarm_data(alarm: AlarmRecord) -> dict[str, Any]:
    """An alarm as events and webhooks carry it: the shape of `GET /v1/alarms`, in JSON's own types."""
    return {
        "id": alarm.id,
        "kind": alarm.kind,
        "severity": alarm.severity,
        "subject": {"kind": alarm.subject_kind, "id": alarm.subject_id, "name": alarm.subject_name},
        "message": alarm.message,
        "hint": alarm.hint,
        "count": alarm.count,
        "raised_at": alarm.raised_at.isoformat(),
        "last_seen_at": alarm.last_seen_at.isoformat(),
        "cleared_at": alarm.cleared_at.isoformat() if alarm.cleared_at else None,
        "acknowledged_at": alarm.acknowledged_at.isoformat() if alarm.acknowledged_at else None,
        "acknowledged_by": alarm.acknowledged_by,
    }


def condition_of(alarm: AlarmRecord, *, clear_after_s: float) -> Condition:
    """What an open alarm was raised for, so that a restarted process can go on watching it."""
    subject = Subject(alarm.subject_kind, alarm.subject_id, alarm.subject_name)
    severity = Severity(alarm.severity)
    return Condition(
        alarm.tenant_id, alarm.kind, severity, subject, alarm.message, alarm.hint, clear_after_s=clear_after_s
    )


def _describe(alarm: AlarmRecord, condition: Condition, now: datetime) -> AlarmRecord:
    alarm.open_key = condition.key
    alarm.severity = condition.severity.value
    alarm.subject_kind, alarm.subject_id = condition.subject.kind, condition.subject.id
    alarm.subject_name = condition.subject.name or condition.subject.id
    alarm.message, alarm.hint = condition.message[:MESSAGE_CHARS_MAX], condition.hint[:MESSAGE_CHARS_MAX]
    alarm.count += 1
    alarm.last_seen_at = now
    alarm.cleared_at = alarm.acknowledged_at = alarm.acknowledged_by = None
    return alarm


async def _open_alarm(session: AsyncSession, key: str) -> AlarmRecord | None:
    return await session.scalar(select(AlarmRecord).where(AlarmRecord.open_key == key))


async def _cleared_lately(session: AsyncSession, condition: Condition, now: datetime) -> AlarmRecord | None:
    query = (
        select(AlarmRecord)
        .where(
            AlarmRecord.tenant_id == condition.tenant_id,
            AlarmRecord.kind == condition.kind,
            AlarmRecord.subject_kind == condition.subject.kind,
            AlarmRecord.subject_id == condition.subject.id,
            AlarmRecord.cleared_at >= now - RECURS_WITHIN,
        )
        .order_by(AlarmRecord.cleared_at.desc())
        .limit(1)
    )
    return await session.scalar(query)
