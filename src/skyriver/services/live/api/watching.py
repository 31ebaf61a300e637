"""Tickets for viewers over HTTP."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request

from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.web import Caller, Reader, problems
from skyriver.services.live import service
from skyriver.services.live.api.channel_access import Grants, LiveDep, own_channel
from skyriver.services.live.observe import Live
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
    return _ticket(live, grants, await own_channel(session, caller, id_or_slug), body, by=caller.id)


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
    return _ticket(live, grants, await service.find_public_channel(session, tenant_slug, channel_slug), body)


def _ticket(live: Live, grants: GrantKeys, channel: ChannelRecord, body: Watcher | None, by: str = "") -> WatchTicket:
    watcher = body or Watcher()
    viewer = watcher.viewer or secrets.token_urlsafe(9)
    state = live.seen(channel.id).state
    return issue_ticket(live.cloud, grants, channel, state, viewer=viewer, region=watcher.region, by=by)
