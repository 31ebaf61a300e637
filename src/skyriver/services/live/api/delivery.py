"""Links for players that know nothing of tickets: one address of a public channel that can be pasted anywhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse

from skyriver.platform.web import Reader, problems
from skyriver.services.live import service
from skyriver.services.live.api.channel_access import Grants, LiveDep
from skyriver.services.live.errors import NotDelivered
from skyriver.services.live.shapes.channels import SlugInPath
from skyriver.services.live.tickets import issue_ticket

LINK_LIFETIME = timedelta(hours=12)
"""Such a player asks once and then follows playlists; when its grant ends, it stops. A day's show fits in."""
_HEADERS = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}
_FOUND: dict[int | str, dict[str, object]] = {307: {"description": "To the playlist or manifest at the best edge."}}

router = APIRouter(prefix="/v1/public/{tenant_slug}/{channel_slug}", tags=["live"])


@router.get("/hls", include_in_schema=False)  # without the ending, which some players go by
@router.get("/hls.m3u8", responses=problems(404, 429, 503) | _FOUND, response_class=RedirectResponse, status_code=307)
async def public_hls(
    tenant_slug: SlugInPath,
    channel_slug: SlugInPath,
    request: Request,
    session: Reader,
    live: LiveDep,
    grants: Grants,
) -> RedirectResponse:
    """HLS of a public channel, low latency where the player knows it. Players follow the redirect."""
    return await _redirect("hls", tenant_slug, channel_slug, request, session, live, grants)


@router.get("/dash.mpd", responses=problems(404, 429, 503) | _FOUND, response_class=RedirectResponse, status_code=307)
async def public_dash(
    tenant_slug: SlugInPath,
    channel_slug: SlugInPath,
    request: Request,
    session: Reader,
    live: LiveDep,
    grants: Grants,
) -> RedirectResponse:
    """DASH of a public channel. Players follow the redirect."""
    return await _redirect("dash", tenant_slug, channel_slug, request, session, live, grants)


async def _redirect(
    form: Literal["hls", "dash"],
    tenant_slug: str,
    channel_slug: str,
    request: Request,
    session: Reader,
    live: LiveDep,
    grants: Grants,
) -> RedirectResponse:
    address = request.client.host if request.client else ""
    live.allowance.take(address)
    channel = await service.find_public_channel(session, tenant_slug, channel_slug)
    state = live.seen(channel.id).state
    # By address: some players come back to the link for each update, and should find the same edge.
    ticket = issue_ticket(live.cloud, grants, channel, state, viewer=address, lifetime=LINK_LIFETIME)
    if not ticket.hls:
        raise NotDelivered
    best = ticket.hls[0]
    return RedirectResponse(best.url if form == "hls" else best.dash_url, status_code=307, headers=_HEADERS)
