"""Tickets for playing recordings: the grant is in the address, as with live HLS, so that players need nothing else.

A grant's root is `vod/<recording>`; what it may get is `whole`, or `window-<minutes>`: of a running show, no more than
that from its end back.
"""

from __future__ import annotations

import secrets

from skyriver.fabric.grants import Grant
from skyriver.kernel.errors import NotAllowed
from skyriver.platform.dispatch import Viewer
from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.workloads.cluster import NoEdge
from skyriver.services.live.cloud import Cloud
from skyriver.services.live.intents.delivery import delivery_name
from skyriver.services.live.recordings.model import GRANT_LIFETIME, vod_space
from skyriver.services.live.records import RecordingRecord
from skyriver.services.live.shapes.recordings import PlayTicket

_WHOLE, _WINDOW = "whole", "window-"


def issue_play_ticket(
    cloud: Cloud, grants: GrantKeys, recording: RecordingRecord, *, dvr_minutes: int | None = None
) -> PlayTicket:
    """A ticket for one recording: for all of it, or for a window of a running show.

    Playlists and media come from the best edge that reaches the object store; without one, from the API's process.
    """
    scope = _WHOLE if dvr_minutes is None else f"{_WINDOW}{dvr_minutes}"
    space = vod_space(recording.id)
    grant = grants.mint_viewer(space, tenant_id=recording.tenant_id, get=(scope,), lifetime=GRANT_LIFETIME)
    base = f"/vod/{grant.token}/{recording.id}"
    return PlayTicket(
        recording_id=recording.id,
        hls_url=f"{_edge_url(cloud, space)}{base}/index.m3u8",
        thumbnails_url=f"{base}/thumbs.vtt",
        poster_url=f"{base}/poster.jpg",
        download_url=None if dvr_minutes is not None else f"{base}/download.mp4",
        expires_at=grant.expires_at,
    )


def _edge_url(cloud: Cloud, space: str) -> str:
    """Where the best edge delivers over HTTP; empty where none can serve recordings now."""
    try:
        edges = cloud.edges_for(Viewer(secrets.token_urlsafe(9), space))
    except NoEdge:
        return ""
    for ranked in edges:
        delivery = cloud.observed.workload(delivery_name(ranked.edge.node_id))
        if delivery is not None and delivery.serving and delivery.spec.get("store"):
            return str(delivery.ready.get("url", ""))
    return ""


def window_of(grant: Grant, recording_id: str) -> int | None:
    """How much of a running recording the grant's holder may see, in µs; None: all of it.

    Raises:
        NotAllowed: the grant is for something else.
    """
    if grant.root == vod_space(recording_id):
        for scope in grant.get:
            if scope == _WHOLE:
                return None
            minutes = scope.removeprefix(_WINDOW)
            if minutes != scope and minutes.isascii() and minutes.isdigit():
                return int(minutes) * 60_000_000
    raise NotAllowed("This grant is not for this recording.", hint="Ask for a ticket of this recording.")
