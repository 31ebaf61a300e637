"""Tickets for viewers over HTTP."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.web import Caller, Reader, problems
from skyriver.services.live import service
from skyriver.services.live.api.channel_access import Grants, LiveDep, own_channel
from skyriver.services.live.observe import Live
from skyriver.services.live.recordings.operations import settings_of
from skyriver.services.live.records import ChannelRecord
from skyriver.services.live.shapes.channels import IdOrSlug, SlugInPath
from skyriver.services.live.shapes.watching import Watcher, WatchTicket
from skyriver.services.live.tickets import issue_ticket

router = APIRouter(prefix="/v1", tags=["live"])


@router.post("/channels/{id_or_slug}/watch", responses=problems(404, 503))
async def watch_channel(
    id_or_slug: IdOrSlug, caller: Caller, session: Reader, live: LiveDep, grants: Grants, body: Watcher | None = None
) -> WatchTicket:
    """A ticket to watch one of your channels: a grant for minutes, and ranked edges."""
    channel = await own_channel(session, caller, id_or_slug)
    dvr_url = await _dvr_url(session, channel, f"/v1/channels/{channel.id}/dvr")
    return _ticket(live, grants, channel, body, dvr_url, by=caller.id)


@router.post("/public/{tenant_slug}/{channel_slug}/watch", responses=problems(404, 429, 503))
async def watch_public_channel(
    tenant_slug: SlugInPath,
    channel_slug: SlugInPath,
    request: Request,
    session: Reader,
    live: LiveDep,
    grants: Grants,
    body: Watcher | None = None,
) -> WatchTicket:
    """A ticket to watch a public channel, without signing in; at a limited rate per address."""
    live.allowance.take(request.client.host if request.client else "")
    channel = await service.find_public_channel(session, tenant_slug, channel_slug)
    dvr_url = await _dvr_url(session, channel, f"/v1/public/{tenant_slug}/{channel_slug}/dvr")
    return _ticket(live, grants, channel, body, dvr_url)


async def _dvr_url(session: AsyncSession, channel: ChannelRecord, path: str) -> str | None:
    """`path`, where the channel's viewers may go back in its shows."""
    settings = await settings_of(session, channel.id)
    return path if settings.enabled and settings.dvr_minutes else None


def _ticket(
    live: Live, grants: GrantKeys, channel: ChannelRecord, body: Watcher | None, dvr_url: str | None, by: str = ""
) -> WatchTicket:
    watcher = body or Watcher()
    viewer = watcher.viewer or secrets.token_urlsafe(9)
    state = live.seen(channel.id).state
    return issue_ticket(
        live.cloud, grants, channel, state, viewer=viewer, region=watcher.region, by=by, dvr_url=dvr_url
    )
