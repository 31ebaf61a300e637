"""The HTTP routes of recordings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.web import (
    Caller,
    Member,
    Once,
    Page,
    Paging,
    Provided,
    Reader,
    Writer,
    fetch_page,
    problems,
)
from skyriver.services.live import service
from skyriver.services.live.api.channel_access import Grants, LiveDep, own_channel
from skyriver.services.live.observe import Live
from skyriver.services.live.recordings import operations
from skyriver.services.live.recordings.errors import NothingRecorded
from skyriver.services.live.recordings.keeper import Keeper
from skyriver.services.live.recordings.model import RecordingState
from skyriver.services.live.recordings.playing import issue_play_ticket
from skyriver.services.live.records import ChannelRecord, RecordingRecord
from skyriver.services.live.shapes.channels import IdOrSlug, SlugInPath
from skyriver.services.live.shapes.recordings import (
    NewClip,
    PlayTicket,
    RecordingId,
    RecordingPatch,
    RecordingSettingsPatch,
    RecordingSettingsShape,
    RecordingShape,
    StorageShape,
    recording_shape,
    settings_shape,
    storage_shape,
)

router = APIRouter(prefix="/v1", tags=["recordings"])
KeeperDep = Annotated[Keeper, Provided(Keeper)]
_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)


# --- a channel's ----------------------------------------------------------------------------------------------------


@router.get("/channels/{id_or_slug}/recording", responses=problems(404))
async def show_recording_settings(id_or_slug: IdOrSlug, caller: Caller, session: Reader) -> RecordingSettingsShape:
    """How a channel is recorded."""
    channel = await own_channel(session, caller, id_or_slug)
    return settings_shape(await operations.settings_of(session, channel.id))


@router.patch("/channels/{id_or_slug}/recording", responses=problems(404))
async def change_recording_settings(
    id_or_slug: IdOrSlug, body: RecordingSettingsPatch, caller: Member, session: Writer, live: LiveDep
) -> RecordingSettingsShape:
    """Change what is given; of a running show, the recording begins or ends."""
    channel = await own_channel(session, caller, id_or_slug)
    changed = await operations.change_settings(session, caller, channel, body.change())
    live.plan_after_commit(session)
    return settings_shape(changed)


@router.get("/channels/{id_or_slug}/recordings", responses=problems(404))
async def list_channel_recordings(
    id_or_slug: IdOrSlug, caller: Caller, session: Reader, paging: Paging
) -> Page[RecordingShape]:
    """A channel's recordings and clips, oldest first."""
    channel = await own_channel(session, caller, id_or_slug)
    query = operations.recordings_of(caller, channel.id)
    rows, cursor = await fetch_page(session, query, RecordingRecord.id, paging)
    return Page(items=[recording_shape(row) for row in rows], next_cursor=cursor)


# --- all of them ----------------------------------------------------------------------------------------------------


@router.get("/recordings")
async def list_recordings(caller: Caller, session: Reader, paging: Paging) -> Page[RecordingShape]:
    """Your tenant's recordings and clips, oldest first; those of deleted channels, too."""
    rows, cursor = await fetch_page(session, operations.recordings_of(caller), RecordingRecord.id, paging)
    return Page(items=[recording_shape(row) for row in rows], next_cursor=cursor)


@router.get("/recordings/storage")
async def show_storage(
    caller: Caller,
    session: Reader,
    since: Annotated[AwareDatetime | None, Query(description="By default 30 days ago.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="By default now.")] = None,
) -> StorageShape:
    """What your recordings hold now, and how many byte-hours they held."""
    last = until or utc_now()
    first = since or max(last, _EARLIEST) - timedelta(days=30)
    return storage_shape(await operations.stored_by(session, caller, first, last), first, last)


@router.get("/recordings/{recording_id}", responses=problems(404))
async def show_recording(recording_id: RecordingId, caller: Caller, session: Reader) -> RecordingShape:
    """One recording or clip."""
    return recording_shape(await operations.find_recording(session, caller, recording_id))


@router.patch("/recordings/{recording_id}", responses=problems(404))
async def rename_recording(
    recording_id: RecordingId, body: RecordingPatch, caller: Member, session: Writer
) -> RecordingShape:
    """Call it something else."""
    recording = await operations.find_recording(session, caller, recording_id)
    await operations.rename_recording(session, caller, recording, body.name)
    return recording_shape(recording)


@router.delete("/recordings/{recording_id}", status_code=204, responses=problems(404, 409))
async def delete_recording(recording_id: RecordingId, caller: Member, session: Writer, keeper: KeeperDep) -> None:
    """Delete a recording for good; clips of it stay."""
    recording = await operations.find_recording(session, caller, recording_id)
    await operations.delete_recording(session, caller, recording)
    keeper.kick_after_commit(session)


@router.post("/recordings/{recording_id}/clips", status_code=201, responses=problems(404, 409))
async def create_clip(
    recording_id: RecordingId, body: NewClip, caller: Member, session: Writer, keeper: KeeperDep, once: Once
) -> RecordingShape:
    """Cut a clip, also of a show that is still running. It is made in seconds: ask for it until it is `ready`."""

    async def create() -> RecordingShape:
        source = await operations.find_recording(session, caller, recording_id)
        times = operations.media_time(body.start), operations.media_time(body.end)
        return recording_shape(await operations.create_clip(session, caller, source, body.name, *times))

    made = await once(session, caller, body, RecordingShape, create)
    keeper.kick_after_commit(session)
    return made


@router.post("/recordings/{recording_id}/play", responses=problems(404, 409))
async def play_recording(
    recording_id: RecordingId, caller: Caller, session: Reader, grants: Grants, live: LiveDep
) -> PlayTicket:
    """Addresses to play, scrub and download a recording, for some hours."""
    recording = await operations.find_recording(session, caller, recording_id)
    if recording.state in (RecordingState.MAKING, RecordingState.FAILED) or not recording.size_bytes:
        raise NothingRecorded
    return issue_play_ticket(live.cloud, grants, recording, by=caller.id)


# --- going back in a running show -----------------------------------------------------------------------------------


@router.post("/channels/{id_or_slug}/dvr", responses=problems(404, 409))
async def rewind_channel(
    id_or_slug: IdOrSlug, caller: Caller, session: Reader, grants: Grants, live: LiveDep
) -> PlayTicket:
    """Addresses to go back in the running show of one of your channels, as far as its viewers may."""
    return await _rewind(session, live, grants, await own_channel(session, caller, id_or_slug), by=caller.id)


@router.post("/public/{tenant_slug}/{channel_slug}/dvr", responses=problems(404, 409, 429))
async def rewind_public_channel(
    tenant_slug: SlugInPath, channel_slug: SlugInPath, request: Request, session: Reader, live: LiveDep, grants: Grants
) -> PlayTicket:
    """The same for a public channel, without signing in; at a limited rate per address."""
    live.allowance.take(request.client.host if request.client else "")
    return await _rewind(session, live, grants, await service.find_public_channel(session, tenant_slug, channel_slug))


async def _rewind(
    session: AsyncSession, live: Live, grants: GrantKeys, channel: ChannelRecord, by: str = ""
) -> PlayTicket:
    recording, minutes = await operations.find_running(session, channel)
    return issue_play_ticket(live.cloud, grants, recording, dvr_minutes=minutes, by=by)
