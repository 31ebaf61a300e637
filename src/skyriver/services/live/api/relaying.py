"""A channel's pull and its destinations over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from skyriver.platform.web import Caller, Member, Once, Page, Paging, Provided, Reader, Writer, fetch_page, problems
from skyriver.services.live.api.channel_access import LiveDep, own_channel
from skyriver.services.live.intents.relaying import pull_name, push_name
from skyriver.services.live.model import InputName
from skyriver.services.live.observe import Live
from skyriver.services.live.records import DestinationRecord, PullRecord
from skyriver.services.live.relaying import operations
from skyriver.services.live.relaying.operations import RelaySeal
from skyriver.services.live.relaying.sight import see_relay
from skyriver.services.live.shapes.channels import IdOrSlug
from skyriver.services.live.shapes.relaying import (
    DestinationId,
    DestinationPatch,
    DestinationShape,
    NewDestination,
    NewPull,
    PulledInput,
    PullShape,
    destination_shape,
    pull_shape,
)

router = APIRouter(prefix="/v1", tags=["live"])
SealDep = Annotated[RelaySeal, Provided(RelaySeal)]


def _pull(live: Live, pull: PullRecord) -> PullShape:
    return pull_shape(pull, see_relay(live.cloud.observed.workload(pull_name(pull.channel_id, pull.input))))


def _destination(live: Live, destination: DestinationRecord) -> DestinationShape:
    return destination_shape(destination, see_relay(live.cloud.observed.workload(push_name(destination.id))))


@router.get("/channels/{id_or_slug}/pull", responses=problems(404))
async def show_pull(
    id_or_slug: IdOrSlug, caller: Caller, session: Reader, live: LiveDep, input: PulledInput = InputName.MAIN
) -> PullShape:
    """Where an input is pulled from, and how that goes; its secrets are left out."""
    channel = await own_channel(session, caller, id_or_slug)
    return _pull(live, await operations.find_pull(session, channel, input))


@router.put("/channels/{id_or_slug}/pull", responses=problems(404, 422))
async def set_pull(
    id_or_slug: IdOrSlug,
    body: NewPull,
    caller: Member,
    session: Writer,
    live: LiveDep,
    seal: SealDep,
    input: PulledInput = InputName.MAIN,
) -> PullShape:
    """Pull an input from a URL from now on: it publishes as an encoder would, in the same contest for the input."""
    channel = await own_channel(session, caller, id_or_slug)
    pull = await operations.set_pull(session, caller, seal, channel, body.draft(), input)
    live.plan_after_commit(session)
    return _pull(live, pull)


@router.delete("/channels/{id_or_slug}/pull", status_code=204, responses=problems(404))
async def clear_pull(
    id_or_slug: IdOrSlug, caller: Member, session: Writer, live: LiveDep, input: PulledInput = InputName.MAIN
) -> None:
    """Pull no more."""
    await operations.clear_pull(session, caller, await own_channel(session, caller, id_or_slug), input)
    live.plan_after_commit(session)


@router.get("/channels/{id_or_slug}/destinations", responses=problems(404))
async def list_destinations(
    id_or_slug: IdOrSlug, caller: Caller, session: Reader, live: LiveDep, paging: Paging
) -> Page[DestinationShape]:
    """Where the channel is sent on to while it is live, and how that goes; stream keys are left out."""
    channel = await own_channel(session, caller, id_or_slug)
    rows, cursor = await fetch_page(session, operations.destinations_of(channel), DestinationRecord.id, paging)
    return Page(items=[_destination(live, destination) for destination in rows], next_cursor=cursor)


@router.post("/channels/{id_or_slug}/destinations", status_code=201, responses=problems(404, 409, 422))
async def add_destination(
    id_or_slug: IdOrSlug,
    body: NewDestination,
    caller: Member,
    session: Writer,
    live: LiveDep,
    seal: SealDep,
    once: Once,
) -> DestinationShape:
    """Send the channel on to another platform whenever it is live. Nothing is encoded again for it."""
    channel = await own_channel(session, caller, id_or_slug)

    async def add() -> DestinationShape:
        return _destination(live, await operations.add_destination(session, caller, seal, channel, body.draft()))

    added = await once(session, caller, body, DestinationShape, add)
    live.plan_after_commit(session)
    return added


@router.patch("/channels/{id_or_slug}/destinations/{destination_id}", responses=problems(404, 422))
async def change_destination(
    id_or_slug: IdOrSlug,
    destination_id: DestinationId,
    body: DestinationPatch,
    caller: Member,
    session: Writer,
    live: LiveDep,
    seal: SealDep,
) -> DestinationShape:
    """Change what is given; another rendition is taken up without a new connection."""
    channel = await own_channel(session, caller, id_or_slug)
    changed = await operations.change_destination(session, caller, seal, channel, destination_id, body.change())
    live.plan_after_commit(session)
    return _destination(live, changed)


@router.delete("/channels/{id_or_slug}/destinations/{destination_id}", status_code=204, responses=problems(404))
async def remove_destination(
    id_or_slug: IdOrSlug, destination_id: DestinationId, caller: Member, session: Writer, live: LiveDep
) -> None:
    """Send the channel there no more."""
    await operations.remove_destination(session, caller, await own_channel(session, caller, id_or_slug), destination_id)
    live.plan_after_commit(session)
