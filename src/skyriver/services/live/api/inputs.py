"""Choosing an input, and the slate that is shown while there is none."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from skyriver.platform.web import Caller, Member, Reader, RuntimeDep, Writer, problems
from skyriver.services.live import slates
from skyriver.services.live.api.channel_access import LiveDep, own_channel
from skyriver.services.live.api.channels import shape_of
from skyriver.services.live.shapes.channels import ChannelShape, IdOrSlug
from skyriver.services.live.shapes.inputs import InputChoice

router = APIRouter(prefix="/v1", tags=["live"])

_PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in slates.KINDS},
    }
}
_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}, "description": "The picture."}}


@router.post("/channels/{id_or_slug}/input", responses=problems(404))
async def choose_input(
    id_or_slug: IdOrSlug, body: InputChoice, caller: Member, session: Writer, live: LiveDep
) -> ChannelShape:
    """Choose the input that viewers see, or leave it to the channel's policy. Takes effect within a second."""
    channel = await own_channel(session, caller, id_or_slug)
    await slates.choose_input(session, caller, channel, body.select)
    live.plan_after_commit(session)
    return shape_of(live, channel)


@router.get("/channels/{id_or_slug}/slate", response_class=Response, responses=_PICTURE | problems(404))
async def show_slate(id_or_slug: IdOrSlug, caller: Caller, session: Reader) -> Response:
    """The picture that viewers see while no input has one: yours, or the one with the channel's name."""
    channel = await own_channel(session, caller, id_or_slug)
    look = await slates.look_of(session, channel)
    jpeg = await asyncio.to_thread(slates.preview, look)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


@router.put(
    "/channels/{id_or_slug}/slate", status_code=204, openapi_extra=_PICTURE_BODY, responses=problems(404, 413, 422)
)
async def put_slate(id_or_slug: IdOrSlug, request: Request, caller: Member, runtime: RuntimeDep, live: LiveDep) -> None:
    """Show this picture while no input has one: a PNG or JPEG of up to 5 MB, as the request's body."""
    async with runtime.store.session() as session:
        await own_channel(session, caller, id_or_slug)
    body = await slates.read_bounded(request.stream())  # outside of a transaction: a client may take its time
    async with live.picture_turn:
        fitted = await asyncio.to_thread(slates.fit, body)
    async with runtime.store.transaction() as session:
        await slates.set_slate(session, caller, await own_channel(session, caller, id_or_slug), fitted)
        live.plan_after_commit(session)


@router.delete("/channels/{id_or_slug}/slate", status_code=204, responses=problems(404))
async def delete_slate(id_or_slug: IdOrSlug, caller: Member, session: Writer, live: LiveDep) -> None:
    """Back to the picture with the channel's name."""
    await slates.delete_slate(session, caller, await own_channel(session, caller, id_or_slug))
    live.plan_after_commit(session)
