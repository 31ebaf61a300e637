"""The first edge ranking: health, then room, then distance, then a weighted rendezvous hash by space and viewer.

Rendezvous hashing (Thaler and Ravishankar 1998; weighted as in Schindelhauer and Schomaker 2005): every edge draws a
number from hash(space, viewer, edge) and the best draw wins. When an edge dies only its own viewers move, and
they spread over all the others; nobody keeps a table.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from skyriver.platform.dispatch.model import EdgeCandidate, RankedEdge, Viewer
from skyriver.platform.workloads.model import NodeState, ObservedNode, ObservedState, ObservedWorkload, endpoint_of

FULL_LOAD = 0.9
"""An edge above this share of its own limit is listed after those with room: it will soon refuse."""
_WEIGHT_STEPS = 4
"""Loads are rounded to quarters, so that a few viewers more or less do not reshuffle everybody's list."""
_SAME_PLACE_KM = 400.0
"""Within about 4 ms of fibre: distances below it are not told apart, load decides."""


class HealthyNearSpread:
    """Edges that serve and have room first, the near before the far, spread by hash; then the full, then the doubtful.

    The second place goes to another site than the first where there is one, so that one site's death never takes
    both of a viewer's best edges.
    """

    def rank(self, viewer: Viewer, edges: Sequence[EdgeCandidate], *, limit: int = 4) -> list[RankedEdge]:
        usable = [edge for edge in edges if edge.serving]
        scored = sorted(usable, key=lambda edge: (_tier(edge), _distance_band(viewer, edge), -_draw(viewer, edge)))
        _second_from_another_site(scored)
        return [RankedEdge(edge, rank, _reason(viewer, edge)) for rank, edge in enumerate(scored[:limit])]


def candidates(observed: ObservedState, space: str) -> list[EdgeCandidate]:
    """The edge relays of an observed state, as candidates for viewers of `space`."""
    found = []
    for node in observed.nodes:
        for workload in node.workloads:
            if workload.kind == "relay" and workload.spec.get("role") == "edge" and workload.ready.get("url"):
                found.append(_candidate(node, workload, space))
    return found


def _candidate(node: ObservedNode, workload: ObservedWorkload, space: str) -> EdgeCandidate:
    endpoint = endpoint_of(workload)
    by_space = workload.metrics.get("viewers_by_space") or {}
    return EdgeCandidate(
        workload_id=workload.id,
        node_id=node.id,
        site_id=node.site_id,
        site_slug=node.site_slug,
        region=node.region,
        url=endpoint.url,
        certificate_sha256=endpoint.certificate_sha256,
        serving=workload.serving and node.state in (NodeState.ALIVE, NodeState.SUSPECT),
        suspect=node.state is NodeState.SUSPECT,
        draining=node.draining,
        load=relay_load(workload),
        viewers=int(workload.metric("viewers")),
        holds_space=bool(by_space.get(space)),
        latitude=node.latitude,
        longitude=node.longitude,
    )


def relay_load(workload: ObservedWorkload) -> float:
    """A relay's use as a share of its tightest admission limit."""
    if "load" in workload.metrics:
        return workload.metric("load")
    limits = workload.spec.get("admission") or {}
    pairs = (("egress_bps", "max_egress_bps"), ("sessions", "max_sessions"), ("cpu", "max_cpu"))
    return max((workload.metric(use) / limits[top] for use, top in pairs if limits.get(top)), default=0.0)


def _tier(edge: EdgeCandidate) -> int:
    if edge.suspect:
        return 3
    if edge.draining:
        return 2
    return 1 if edge.load >= FULL_LOAD else 0


def _distance_band(viewer: Viewer, edge: EdgeCandidate) -> int:
    """0 near, growing with distance; everything is near when nothing is known."""
    if viewer.latitude is not None and viewer.longitude is not None and edge.latitude is not None:
        return int(_distance_km(viewer.latitude, viewer.longitude, edge.latitude, edge.longitude or 0) / _SAME_PLACE_KM)
    return 0 if viewer.region is None or viewer.region == edge.region else 1


def _distance_km(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    """Great-circle distance (haversine), Earth as a sphere of 6371 km."""
    a, b = math.radians(latitude_a), math.radians(latitude_b)
    half_chord = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(longitude_b - longitude_a) / 2) ** 2
    )
    return 2 * 6371.0 * math.asin(min(1.0, math.sqrt(half_chord)))


def _draw(viewer: Viewer, edge: EdgeCandidate) -> float:
    """The edge's number in the weighted rendezvous draw; the greatest wins."""
    text = "\x00".join((viewer.space, viewer.key, edge.workload_id)).encode()
    bits = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())
    uniform = (bits + 1) / (2**64 + 1)
    free_steps = max(1, _WEIGHT_STEPS - math.floor(min(edge.load, 1.0) * _WEIGHT_STEPS))
    return -free_steps / math.log(uniform)


def _second_from_another_site(edges: list[EdgeCandidate]) -> None:
    if len(edges) < 3 or edges[1].site_id != edges[0].site_id:
        return
    best_tier = _tier(edges[1])
    for index in range(2, len(edges)):
        if edges[index].site_id != edges[0].site_id and _tier(edges[index]) == best_tier:
            edges.insert(1, edges.pop(index))
            return


def _reason(viewer: Viewer, edge: EdgeCandidate) -> str:
    if edge.suspect:
        return "its node has missed heartbeats: last resort"
    if edge.draining:
        return "its node is draining: only if the others fail"
    if edge.load >= FULL_LOAD:
        return f"nearly full ({edge.load:.0%} of its limit)"
    near = "near" if _distance_band(viewer, edge) == 0 else "farther away"
    known = viewer.region is not None or viewer.latitude is not None
    place = f"{near}, " if known else ""
    return f"healthy, {place}{edge.load:.0%} loaded, chosen by hash of space and viewer"
