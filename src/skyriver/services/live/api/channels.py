"""Channels and their stream keys over HTTP. Nothing is decided here: shapes in, an operation, shapes out."""

from __future__ import annotations

from fastapi import APIRouter

from skyriver.platform.web import (
    Caller,
    Member,
    Once,
    Page,
    Paging,
    Reader,
    Writer,
    fetch_page,
    problems,
)
from skyriver.services.live import service
from skyriver.services.live.api.channel_access import LiveDep, own_channel
from skyriver.services.live.observe import Live
from skyriver.services.live.records import ChannelRecord, StreamKeyRecord
from skyriver.services.live.shapes.channels import (
    ChannelPatch,
    ChannelShape,
    CreatedChannel,
    CreatedStreamKey,
    IdOrSlug,
    KeyId,
    NewChannel,
    NewStreamKey,
    StreamKeyShape,
    channel_shape,
    created_stream_key,
    stream_key_shape,
)

router = APIRouter(prefix="/v1", tags=["live"])


def shape_of(live: Live, channel: ChannelRecord) -> ChannelShape:
    """A channel with what is seen of it now."""
    return channel_shape(channel, live.seen(channel.id), live.ingest_urls_by_input(channel.id))


# --- channels -----------------------------------------------------------------------------------------------------


@router.get("/channels")
async def list_channels(caller: Caller, session: Reader, live: LiveDep, paging: Paging) -> Page[ChannelShape]:
    """Your tenant's channels, oldest first."""
    rows, cursor = await fetch_page(session, service.channels_of(caller), ChannelRecord.id, paging)
    return Page(items=[shape_of(live, channel) for channel in rows], next_cursor=cursor)


@router.post("/channels", status_code=201, responses=problems(409))
async def create_channel(
    body: NewChannel, caller: Member, session: Writer, live: LiveDep, once: Once
) -> CreatedChannel:
    """Make a channel and its first stream key, which is shown in this answer and never again."""

    async def create() -> CreatedChannel:
        channel, secret = await service.create_channel(session, caller, body.draft())
        return CreatedChannel(channel=shape_of(live, channel), stream_key=secret)

    created = await once(session, caller, body, CreatedChannel, create)
    live.plan_after_commit(session)
    return created


@router.get("/channels/{id_or_slug}", responses=problems(404))
async def show_channel(id_or_slug: IdOrSlug, caller: Caller, session: Reader, live: LiveDep) -> ChannelShape:
    """One channel: what you set, and what is seen of it now."""
    return shape_of(live, await own_channel(session, caller, id_or_slug))


@router.patch("/channels/{id_or_slug}", responses=problems(404, 409))
async def change_channel(
    id_or_slug: IdOrSlug, body: ChannelPatch, caller: Member, session: Writer, live: LiveDep
) -> ChannelShape:
    """Change what is given; a running show goes on."""
    channel = await own_channel(session, caller, id_or_slug)
    await service.change_channel(session, caller, channel, body.change())
    live.plan_after_commit(session)
    return shape_of(live, channel)


@router.delete("/channels/{id_or_slug}", status_code=204, responses=problems(404))
async def delete_channel(id_or_slug: IdOrSlug, caller: Member, session: Writer, live: LiveDep) -> None:
    """Remove a channel with its keys; whoever publishes or watches is cut off."""
    await service.delete_channel(session, caller, await own_channel(session, caller, id_or_slug))
    live.plan_after_commit(session)


# --- stream keys --------------------------------------------------------------------------------------------------


@router.get("/channels/{id_or_slug}/stream-keys", responses=problems(404))
async def list_stream_keys(
    id_or_slug: IdOrSlug, caller: Member, session: Reader, paging: Paging
) -> Page[StreamKeyShape]:
    """A channel's stream keys, without the secrets: those were shown once."""
    channel = await own_channel(session, caller, id_or_slug)
    rows, cursor = await fetch_page(session, service.stream_keys_of(channel), StreamKeyRecord.id, paging)
    return Page(items=[stream_key_shape(key) for key in rows], next_cursor=cursor)


@router.post("/channels/{id_or_slug}/stream-keys", status_code=201, responses=problems(404, 409))
async def create_stream_key(
    id_or_slug: IdOrSlug, body: NewStreamKey, caller: Member, session: Writer, live: LiveDep, once: Once
) -> CreatedStreamKey:
    """One more stream key, shown in this answer and never again."""
    channel = await own_channel(session, caller, id_or_slug)

    async def create() -> CreatedStreamKey:
        return created_stream_key(*await service.create_stream_key(session, caller, channel, body.name, body.input))

    created = await once(session, caller, body, CreatedStreamKey, create)
    live.plan_after_commit(session)
    return created


@router.post("/channels/{id_or_slug}/stream-keys/{key_id}/rotate", responses=problems(404))
async def rotate_stream_key(
    id_or_slug: IdOrSlug, key_id: KeyId, caller: Member, session: Writer, live: LiveDep
) -> CreatedStreamKey:
    """Replace a key: the old one ends at once, the new one is shown in this answer and never again."""
    channel = await own_channel(session, caller, id_or_slug)
    rotated = created_stream_key(*await service.rotate_stream_key(session, caller, channel, key_id))
    live.plan_after_commit(session)
    return rotated


@router.delete("/channels/{id_or_slug}/stream-keys/{key_id}", status_code=204, responses=problems(404))
async def revoke_stream_key(
    id_or_slug: IdOrSlug, key_id: KeyId, caller: Member, session: Writer, live: LiveDep
) -> None:
    """End a key; whoever publishes with it is disconnected."""
    await service.revoke_stream_key(session, caller, await own_channel(session, caller, id_or_slug), key_id)
    live.plan_after_commit(session)
