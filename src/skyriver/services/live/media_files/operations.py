"""What a principal can do with its tenant's media files.

A row is there before the first byte and after the last one: whatever dies in between, the next upload of the tenant
finds what was left lying, and removes it.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from skyriver.kernel.clock import utc_now
from skyriver.kernel.ids import new_id
from skyriver.platform.identity import Principal, record_audit
from skyriver.services.live.media_files.errors import MediaFileInUse, MediaFileNotFound, TooManyMediaFiles
from skyriver.services.live.media_files.model import (
    FILES_PER_TENANT_MAX,
    TENANT_BYTES_MAX,
    UPLOAD_WITHIN_S,
    MediaFacts,
)
from skyriver.services.live.media_files.storage import Stored
from skyriver.services.live.records import ChannelRecord, MediaFileRecord, PullRecord, SlateRecord

UPLOADING, READY, DELETING = "uploading", "ready", "deleting"
_LEFT_LYING = timedelta(seconds=UPLOAD_WITHIN_S + 600)


def files_of(tenant_id: str) -> Select[MediaFileRecord]:
    """The tenant's files that can be used, without their pictures."""
    return select(MediaFileRecord).where(MediaFileRecord.tenant_id == tenant_id, MediaFileRecord.state == READY)


async def find_file(session: AsyncSession, tenant_id: str, file_id: str) -> MediaFileRecord:
    """One of the tenant's files, with its picture.

    Raises:
        MediaFileNotFound: also for another tenant's.
    """
    one = files_of(tenant_id).where(MediaFileRecord.id == file_id)
    found = await session.scalar(one.options(undefer(MediaFileRecord.poster)))
    if found is None:
        raise MediaFileNotFound(file_id)
    return found


async def left_lying(session: AsyncSession, tenant_id: str) -> list[str]:
    """Ids of uploads and deletions that nobody has finished."""
    query = select(MediaFileRecord.id).where(
        MediaFileRecord.tenant_id == tenant_id,
        MediaFileRecord.state != READY,
        MediaFileRecord.created_at < utc_now() - _LEFT_LYING,
    )
    return list(await session.scalars(query))


async def begin_upload(session: AsyncSession, caller: Principal, name: str) -> tuple[MediaFileRecord, int]:
    """A new file, and how many bytes it may have at most.

    Raises:
        TooManyMediaFiles: the tenant has as many, or as much, as it may.
    """
    own = select(func.count(), func.coalesce(func.sum(MediaFileRecord.size_bytes), 0)).where(
        MediaFileRecord.tenant_id == caller.tenant_id
    )
    count, size_bytes = (await session.execute(own)).one()
    left_bytes = TENANT_BYTES_MAX - int(size_bytes)
    if count >= FILES_PER_TENANT_MAX or left_bytes <= 0:
        raise TooManyMediaFiles(
            f"A tenant can have {FILES_PER_TENANT_MAX} files of {TENANT_BYTES_MAX >> 30} GiB together.",
            hint="Delete some that are no longer used.",
        )
    file = MediaFileRecord(
        id=new_id("mf"), tenant_id=caller.tenant_id, name=name, state=UPLOADING, size_bytes=0, sha256="", facts={}
    )
    session.add(file)
    await session.flush()
    return file, left_bytes


async def finish_upload(
    session: AsyncSession, caller: Principal, file_id: str, stored: Stored, facts: MediaFacts, poster: bytes
) -> MediaFileRecord:
    """The file is whole, and can be used from now on."""
    file = await session.get_one(MediaFileRecord, file_id)
    file.state, file.size_bytes, file.sha256 = READY, stored.size_bytes, stored.sha256
    file.facts, file.poster = facts.row(), poster
    await session.flush()
    record_audit(
        session, caller, "media_file.uploaded", file.id, name=file.name, size_bytes=file.size_bytes, sha256=file.sha256
    )
    return file


async def uses_of(session: AsyncSession, file_id: str) -> list[str]:
    """Where a file is used, in words."""
    found: list[str] = []
    pulls = select(ChannelRecord.slug, PullRecord.input).join(PullRecord, PullRecord.channel_id == ChannelRecord.id)
    for slug, name in await session.execute(pulls.where(PullRecord.file_id == file_id).order_by(ChannelRecord.slug)):
        found.append(f"the {name} input of {slug!r} is pulled from it")
    slates = select(ChannelRecord.slug).join(SlateRecord, SlateRecord.channel_id == ChannelRecord.id)
    for slug in await session.scalars(slates.where(SlateRecord.file_id == file_id).order_by(ChannelRecord.slug)):
        found.append(f"it is the slate of {slug!r}")
    return found


async def begin_deletion(session: AsyncSession, caller: Principal, file_id: str) -> MediaFileRecord:
    """The file can be used no more; its bytes are the caller's to remove, and then `forget` it.

    Raises:
        MediaFileNotFound.
        MediaFileInUse: a channel needs it.
    """
    file = await find_file(session, caller.tenant_id, file_id)
    if uses := await uses_of(session, file.id):
        raise MediaFileInUse(uses)
    file.state = DELETING
    record_audit(session, caller, "media_file.deleted", file.id, name=file.name)
    await session.flush()
    return file


async def forget(session: AsyncSession, file_id: str) -> None:
    """Nothing of the file is left."""
    file = await session.get(MediaFileRecord, file_id)
    if file is not None:
        await session.delete(file)
