"""Watch tickets: what a viewer needs to watch one channel, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from skyriver.platform.dispatch import RankedEdge, Viewer
from skyriver.platform.dispatch.edges import FULL_LOAD
from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.workloads.model import ObservedState
from skyriver.services.live.cloud import Cloud
from skyriver.services.live.eyes.beacons import BEACON_KEY, BeaconTokens
from skyriver.services.live.intents.delivery import delivery_name
from skyriver.services.live.intents.whep import whep_url
from skyriver.services.live.model import ChannelState, space_of
from skyriver.services.live.records import ChannelRecord
from skyriver.services.live.seen import offered
from skyriver.services.live.shapes.watching import EdgeShape, HlsShape, WatchTicket

GRANT_LIFETIME = timedelta(hours=1)
"""Long enough for an API to be away. A relay ends the session with the grant: viewers ask for the next one in time."""

LATENCY_TARGET_MS = 500
"""The player's buffer: longer than the gap of an edge's failover (p99 400 ms), so that a kill is not seen."""


def issue_ticket(
    cloud: Cloud,
    grants: GrantKeys,
    channel: ChannelRecord,
    state: ChannelState,
    *,
    viewer: str,
    region: str | None = None,
    lifetime: timedelta = GRANT_LIFETIME,
    dvr_url: str | None = None,
    by: str = "",
) -> WatchTicket:
    """A grant for one viewer of one channel, and the edges to try, best first.

    Args:
        by: id of the user or API key that asks; empty: the public.

    A channel that is offline has tickets too: its viewers wait at an edge and see the first picture when it comes.

    Raises:
        NoEdge: no edge can serve now.
    """
    space = space_of(channel.id)
    edges = cloud.edges_for(Viewer(viewer, space, region))
    grant = grants.mint_viewer(space, tenant_id=channel.tenant_id, get=("",), lifetime=lifetime, by=by)
    return WatchTicket(
        channel_id=channel.id,
        space=space,
        grant=grant.token,
        expires_at=grant.expires_at,
        beacon_token=BeaconTokens(grants.derive_key(BEACON_KEY)).make(channel.id, grant.expires_at),
        state=state,
        edges=_edge_shapes(edges),
        hls=_hls_shapes(edges, cloud.observed, channel.id, grant.token),
        whep_url=whep_url(channel.id, cloud.observed),
        catalog=offered(channel.id, cloud.observed),
        latency_target_ms=LATENCY_TARGET_MS,
        dvr_url=dvr_url,
    )


def _hls_shapes(edges: Sequence[RankedEdge], observed: ObservedState, channel_id: str, grant: str) -> list[HlsShape]:
    """Delivery over HTTP at the ranked edges' nodes; those that are full come last."""
    found = [observed.workload(delivery_name(ranked.edge.node_id)) for ranked in edges]
    serving = [
        delivery for delivery in found if delivery is not None and delivery.serving and delivery.ready.get("url")
    ]
    serving.sort(key=lambda delivery: delivery.metric("load") >= FULL_LOAD)
    return [
        HlsShape(
            node_id=delivery.node_id,
            url=f"{delivery.ready['url']}/hls/{grant}/{channel_id}/index.m3u8",
            dash_url=f"{delivery.ready['url']}/hls/{grant}/{channel_id}/manifest.mpd",
            ll=True,
        )
        for delivery in serving
    ]


def _edge_shapes(edges: Sequence[RankedEdge]) -> list[EdgeShape]:
    return [
        EdgeShape(
            node_id=ranked.edge.node_id,
            site=ranked.edge.site_slug,
            region=ranked.edge.region,
            url=ranked.edge.url,
            certificate_sha256=list(ranked.edge.certificate_sha256),
            rank=ranked.rank,
            reason=ranked.reason,
        )
        for ranked in edges
    ]
