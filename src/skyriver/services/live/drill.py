"""Drills: a real workload of a running show is killed on purpose, to see that its viewers do not notice."""

from __future__ import annotations

from typing import Literal

from skyriver.kernel.errors import NotAllowed
from skyriver.platform.identity import Principal
from skyriver.platform.workloads.model import ObservedState, ObservedWorkload
from skyriver.services.live.errors import NothingToKill
from skyriver.services.live.intents import transcoder_name
from skyriver.services.live.model import ingest_space_of, space_of
from skyriver.services.live.records import ChannelRecord

Stage = Literal["edge", "transcoder", "origin"]


def choose_victim(
    caller: Principal, channel: ChannelRecord, stage: Stage, observed: ObservedState, edge_node_id: str | None = None
) -> ObservedWorkload:
    """The workload that a drill kills.

    Raises:
        NotAllowed: edges and origins carry other tenants' shows too, so only the operator may kill them.
        NothingToKill: nothing of that stage serves the channel now.
    """
    if stage != "transcoder" and not caller.is_operator:
        raise NotAllowed(
            f"Only the operator of this cloud may kill an {stage}: it carries other tenants' channels too.",
            hint="Drill the transcoder, which is your channel's own.",
        )
    victim = {"edge": _edge, "transcoder": _transcoder, "origin": _origin}[stage](channel, observed, edge_node_id)
    if victim is None:
        raise NothingToKill(stage, channel.slug)
    return victim


def _edge(channel: ChannelRecord, observed: ObservedState, edge_node_id: str | None) -> ObservedWorkload | None:
    """The edge of that node; without one, the edge with most of the channel's viewers."""
    serving = [w for w in observed.relays("edge") if w.serving and edge_node_id in (None, w.node_id)]
    space = space_of(channel.id)
    return max(serving, key=lambda w: ((w.metrics.get("viewers_by_space") or {}).get(space, 0), w.id), default=None)


def _transcoder(channel: ChannelRecord, observed: ObservedState, _node_id: str | None) -> ObservedWorkload | None:
    transcoder = observed.workload(transcoder_name(channel.id))
    return transcoder if transcoder is not None and transcoder.serving else None


def _origin(channel: ChannelRecord, observed: ObservedState, _node_id: str | None) -> ObservedWorkload | None:
    """The origin that sends most of the channel's pictures: after one has died, that is another one."""
    serving = {w.id: w for w in observed.relays("origin") if w.serving}
    ranked = [serving[o.workload_id] for o in observed.origins() if o.workload_id in serving]
    spaces = (space_of(channel.id), ingest_space_of(channel.id))

    def sent_bps(origin: ObservedWorkload) -> int:
        egress = origin.metrics.get("egress_by_space") or {}
        return sum(egress.get(space, 0) for space in spaces)

    return max(ranked, key=sent_bps, default=None)
