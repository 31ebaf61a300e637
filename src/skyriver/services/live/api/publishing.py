"""Tickets for browsers that publish."""

from __future__ import annotations

from fastapi import APIRouter

from skyriver.platform.web import Member, Writer, problems
from skyriver.services.live import contributions
from skyriver.services.live.api.channel_access import Grants, LiveDep, own_channel
from skyriver.services.live.shapes.channels import IdOrSlug
from skyriver.services.live.shapes.publishing import NewPublishTicket, PublishTicket, TicketId, publish_ticket_shape

router = APIRouter(prefix="/v1", tags=["live"])


@router.post("/channels/{id_or_slug}/publish-ticket", responses=problems(404, 409, 503))
async def create_publish_ticket(
    id_or_slug: IdOrSlug,
    caller: Member,
    session: Writer,
    live: LiveDep,
    grants: Grants,
    body: NewPublishTicket | None = None,
) -> PublishTicket:
    """A right to publish from a browser over WebTransport, for an hour; renew it while you publish."""
    wanted = body or NewPublishTicket()
    channel = await own_channel(session, caller, id_or_slug)
    ticket = await contributions.open_ticket(
        session, caller, grants, live.cloud, channel, name=wanted.input, renews=wanted.renews
    )
    live.plan_after_commit(session)
    return publish_ticket_shape(ticket, live.cloud.observed)


@router.delete("/channels/{id_or_slug}/publish-ticket/{ticket_id}", status_code=204, responses=problems(404))
async def revoke_publish_ticket(
    id_or_slug: IdOrSlug, ticket_id: TicketId, caller: Member, session: Writer, live: LiveDep
) -> None:
    """End a ticket; the browser that publishes with it is cut off."""
    await contributions.revoke_ticket(session, caller, await own_channel(session, caller, id_or_slug), ticket_id)
    live.plan_after_commit(session)
