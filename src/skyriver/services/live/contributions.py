"""Publish tickets: what a member's browser needs to publish into one channel, and nothing more.

A ticket is a row, because the station of the channel must know it, and because it can be revoked. Its grant lasts
`TICKET_LIFETIME`; a browser that is still publishing renews it well before, which keeps its id and so its broadcast.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.platform.fabric_keys import GrantKeys, Minted, deny_grant
from skyriver.platform.identity import Principal, record_audit
from skyriver.services.live.cloud import Cloud
from skyriver.services.live.errors import NoOrigin, PublishTicketNotFound, TooManyPublishTickets
from skyriver.services.live.model import InputName, contribution_path, ingest_space_of
from skyriver.services.live.records import ChannelRecord, PublishTicketRecord

TICKET_LIFETIME = timedelta(hours=1)
"""Long enough for an API to be away in the middle of a show; the browser renews it after half of that."""

TICKETS_PER_CHANNEL_MAX = 32
"""Each costs the station one idle session to every origin. A studio that is closed gives its ticket back."""


@dataclass(frozen=True)
class OpenTicket:
    """A ticket with its fresh grant."""

    record: PublishTicketRecord
    grant: Minted


async def open_ticket(
    session: AsyncSession,
    caller: Principal,
    grants: GrantKeys,
    cloud: Cloud,
    channel: ChannelRecord,
    *,
    name: InputName,
    renews: str | None,
) -> OpenTicket:
    """A right to publish into `channel` from a browser, or more time for one that exists.

    Raises:
        NoOrigin: no relay can take a publisher now.
        PublishTicketNotFound: there is nothing (any more) to renew.
        TooManyPublishTickets.
    """
    if not cloud.observed.origins():
        raise NoOrigin
    now = utc_now()
    ours = PublishTicketRecord.channel_id == channel.id
    await session.execute(delete(PublishTicketRecord).where(ours, PublishTicketRecord.expires_at <= now))
    if renews is not None:
        ticket = await _find(session, channel, renews)
    else:
        count = await session.scalar(select(func.count()).select_from(PublishTicketRecord).where(ours)) or 0
        if count >= TICKETS_PER_CHANNEL_MAX:
            raise TooManyPublishTickets(TICKETS_PER_CHANNEL_MAX)
        ticket = PublishTicketRecord(channel_id=channel.id, input=name.value, jti="", expires_at=now)
        session.add(ticket)
        await session.flush()
        record_audit(session, caller, "publish_ticket.created", ticket.id, channel_id=channel.id, input=name.value)
    grant = grants.mint_viewer(
        ingest_space_of(channel.id),
        tenant_id=channel.tenant_id,
        get=(),
        put=(contribution_path(ticket.id),),
        lifetime=TICKET_LIFETIME,
        by=caller.id,
        unique=ticket.id,  # one name for the ticket's grants: who revokes it revokes those from before a renewal, too
    )
    ticket.jti, ticket.expires_at = grant.jti, grant.expires_at
    await session.flush()
    return OpenTicket(ticket, grant)


async def revoke_ticket(session: AsyncSession, caller: Principal, channel: ChannelRecord, ticket_id: str) -> None:
    """End a ticket: its browser is cut off by the relay and by the station.

    Raises:
        PublishTicketNotFound.
    """
    ticket = await _find(session, channel, ticket_id)
    await session.delete(ticket)
    await deny_grant(session, ticket.jti, ticket.expires_at, "publish ticket revoked")
    record_audit(session, caller, "publish_ticket.revoked", ticket.id, channel_id=channel.id)


async def _find(session: AsyncSession, channel: ChannelRecord, ticket_id: str) -> PublishTicketRecord:
    ticket = await session.get(PublishTicketRecord, ticket_id)
    if ticket is None or ticket.channel_id != channel.id:
        raise PublishTicketNotFound(ticket_id)
    return ticket
