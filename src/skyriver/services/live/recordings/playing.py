"""Tickets for playing recordings: the grant is in the address, as with live HLS, so that players need nothing else.

What a grant opens, `vod.scope` says.
"""

from __future__ import annotations

import secrets

from skyriver.platform.dispatch import Viewer
from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.workloads.cluster import NoEdge
from skyriver.services.live.cloud import Cloud
from skyriver.services.live.intents.delivery import delivery_name
from skyriver.services.live.recordings.model import GRANT_LIFETIME, vod_space
from skyriver.services.live.records import RecordingRecord
from skyriver.services.live.shapes.recordings import PlayTicket
from skyriver.services.live.vod.scope import scope_of


def issue_play_ticket(
    cloud: Cloud, grants: GrantKeys, recording: RecordingRecord, *, dvr_minutes: int | None = None, by: str = ""
) -> PlayTicket:
    """A ticket for one recording: for all of it, or for a window of a running show.

    Playlists and media come from the best edge that reaches the object store; without one, from the API's process.
    """
    space, scope = vod_space(recording.id), scope_of(dvr_minutes)
    grant = grants.mint_viewer(space, tenant_id=recording.tenant_id, get=(scope,), lifetime=GRANT_LIFETIME, by=by)
    base = f"/vod/{grant.token}/{recording.id}"
    return PlayTicket(
        recording_id=recording.id,
        hls_url=f"{_edge_url(cloud, space)}{base}/index.m3u8",
        thumbnails_url=f"{base}/thumbs.vtt",
        poster_url=f"{base}/poster.jpg",
        download_url=None if dvr_minutes is not None else f"{base}/download.mp4",
        start=recording.started_at,
        window_s=None if dvr_minutes is None else dvr_minutes * 60,
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
