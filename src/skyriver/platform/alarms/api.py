"""Routes of alarms. Live changes come as `alarm` events of GET /v1/events, in the same shape."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from skyriver.platform.alarms import alarms
from skyriver.platform.alarms.desk import AlarmDesk
from skyriver.platform.alarms.model import Severity
from skyriver.platform.alarms.records import AlarmRecord
from skyriver.platform.web import Caller, Member, Page, Paging, Provided, Reader, RuntimeDep, fetch_page, problems

router = APIRouter(prefix="/v1", tags=["alarms"])

AlarmId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,64}$", description="An alarm's id.")]


class SubjectShape(BaseModel):
    """What an alarm is about."""

    kind: str = Field(examples=["channel"])
    id: str
    name: str


class AlarmShape(BaseModel):
    id: str
    kind: str = Field(description="What is wrong, e.g. `black`; stable across versions.")
    severity: Severity
    subject: SubjectShape
    message: str
    hint: str = Field(description="What to do about it.")
    count: int = Field(description="How often it was raised: one that comes back within 10 minutes is the same one.")
    raised_at: datetime
    last_seen_at: datetime
    cleared_at: datetime | None = Field(description="Null while it is open.")
    acknowledged_at: datetime | None
    acknowledged_by: str | None = Field(description="Id of the user or API key.")


def alarm_shape(alarm: AlarmRecord) -> AlarmShape:
    return AlarmShape.model_validate(alarms.alarm_data(alarm))


@router.get("/alarms")
async def list_alarms(
    caller: Caller,
    session: Reader,
    paging: Paging,
    state: Annotated[Literal["open", "cleared", "all"], Query(description="Open ones by default.")] = "open",
    severity: Annotated[Severity | None, Query(description="Of this severity only.")] = None,
    kind: Annotated[
        str | None, Query(max_length=100, pattern=r"^[a-z0-9_]+$", description="Of this kind only.")
    ] = None,
    subject_id: Annotated[
        str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9_.-]+$", description="About this channel, node … only.")
    ] = None,
    acknowledged: Annotated[bool | None, Query(description="Only those that are, or are not, acknowledged.")] = None,
) -> Page[AlarmShape]:
    """Your tenant's alarms, newest first. The cloud's own are the operator's."""
    query = select(AlarmRecord).where(AlarmRecord.tenant_id == caller.tenant_id)
    if state != "all":
        is_open = AlarmRecord.open_key.is_not(None)
        query = query.where(is_open if state == "open" else ~is_open)
    if severity is not None:
        query = query.where(AlarmRecord.severity == severity.value)
    if kind is not None:
        query = query.where(AlarmRecord.kind == kind)
    if subject_id is not None:
        query = query.where(AlarmRecord.subject_id == subject_id)
    if acknowledged is not None:
        done = AlarmRecord.acknowledged_at.is_not(None)
        query = query.where(done if acknowledged else ~done)
    rows, cursor = await fetch_page(session, query, AlarmRecord.id, paging, newest_first=True)
    return Page(items=[alarm_shape(row) for row in rows], next_cursor=cursor)


@router.get("/alarms/{alarm_id}", responses=problems(404))
async def show_alarm(alarm_id: AlarmId, caller: Caller, session: Reader) -> AlarmShape:
    """One alarm."""
    return alarm_shape(await alarms.find_alarm(session, caller.tenant_id, alarm_id))


@router.post("/alarms/{alarm_id}/acknowledge", responses=problems(404))
async def acknowledge_alarm(
    alarm_id: AlarmId, caller: Member, runtime: RuntimeDep, desk: Annotated[AlarmDesk, Provided(AlarmDesk)]
) -> AlarmShape:
    """Take an alarm on, so that others need not. It stays open until what it is about is over."""
    async with runtime.store.transaction() as session:
        alarm = await alarms.acknowledge(session, caller, alarm_id, runtime.now())
    desk.tell(alarm)
    return alarm_shape(alarm)
