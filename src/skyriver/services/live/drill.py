"""The runbook of a running show, and its drills: what carries each stage, who takes over, and killing it on purpose.

A stage is *protected* when somebody else takes over at once; otherwise its process is started again, which viewers
see. The goals are of what is delivered to a viewer between the last frame before the kill and the first one after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from skyriver.kernel.errors import NotAllowed
from skyriver.platform.identity import Principal
from skyriver.platform.workloads.model import ObservedState, ObservedWorkload
from skyriver.services.live.errors import NothingToKill
from skyriver.services.live.intents import standby_name, station_name, transcoder_name
from skyriver.services.live.intents.delivery import DELIVERY
from skyriver.services.live.intents.recorder import RECORDER
from skyriver.services.live.model import InputName, ingest_space_of, space_of
from skyriver.services.live.records import ChannelRecord
from skyriver.services.live.seen import Seen


class Stage(StrEnum):
    """Where a show can be hit, in the order in which it passes."""

    STATION = "station"
    TRANSCODER = "transcoder"
    STANDBY = "standby"
    ORIGIN = "origin"
    EDGE = "edge"
    DELIVERY = "delivery"
    RECORDER = "recorder"


SHARED = frozenset({Stage.STATION, Stage.ORIGIN, Stage.EDGE, Stage.DELIVERY})
"""Stages that carry other tenants' shows too: only the operator may kill them."""

GOAL_MS: Mapping[Stage, int] = {
    Stage.STATION: 1000,  # the other input is shown
    Stage.TRANSCODER: 500,
    Stage.STANDBY: 100,  # nobody may notice
    Stage.ORIGIN: 1500,
    Stage.EDGE: 400,
    Stage.DELIVERY: 1000,  # of an HLS viewer; others do not notice
    Stage.RECORDER: 200,  # of the recording; viewers do not notice
}
RESTART_GOAL_MS: Mapping[Stage, int] = {
    Stage.STATION: 10_000,  # encoders try again every 5 to 10 s
    Stage.TRANSCODER: 2500,
    Stage.ORIGIN: 3000,
    Stage.EDGE: 3000,
    Stage.DELIVERY: 5000,
}
"""Where nobody else is there to take over."""


@dataclass(frozen=True)
class StageView:
    """One line of the runbook. `victim` is what a drill kills; None while nothing of the stage runs for the channel."""

    stage: Stage
    victim: ObservedWorkload | None
    protected: bool

    @property
    def goal_ms(self) -> int:
        return GOAL_MS[self.stage] if self.protected else RESTART_GOAL_MS.get(self.stage, GOAL_MS[self.stage])


def runbook(channel: ChannelRecord, seen: Seen, observed: ObservedState) -> list[StageView]:
    """Every stage of the channel as it stands now."""
    return [_view(stage, channel, seen, observed) for stage in Stage]


def may_drill(caller: Principal, stage: Stage) -> bool:
    """Whether the caller may kill this stage at all."""
    return caller.is_operator or stage not in SHARED


def choose_victim(
    caller: Principal,
    channel: ChannelRecord,
    stage: Stage,
    seen: Seen,
    observed: ObservedState,
    edge_node_id: str | None = None,
) -> ObservedWorkload:
    """The workload that a drill kills.

    Args:
        edge_node_id: for the edge and the delivery, which node's; by default the one with most of the viewers.

    Raises:
        NotAllowed: the stage carries other tenants' shows too, so only the operator may kill it.
        NothingToKill: nothing of that stage serves the channel now.
    """
    if not may_drill(caller, stage):
        raise NotAllowed(
            f"Only the operator of this cloud may kill the {stage}: it carries other tenants' channels too.",
            hint="Drill the transcoder, the standby or the recorder, which are your channel's own.",
        )
    victim = _victims(stage, channel, seen, observed, edge_node_id)[:1]
    if not victim:
        raise NothingToKill(stage, channel.slug)
    return victim[0]


def _view(stage: Stage, channel: ChannelRecord, seen: Seen, observed: ObservedState) -> StageView:
    found = _victims(stage, channel, seen, observed, None)
    match stage:
        case Stage.TRANSCODER:
            protected = bool(_victims(Stage.STANDBY, channel, seen, observed, None))
        case Stage.STANDBY:
            protected = bool(_victims(Stage.TRANSCODER, channel, seen, observed, None))
        case Stage.STATION:
            protected = len({each.node_id for each in seen.inputs.values()} - {""}) > 1
        case Stage.RECORDER:
            protected = True  # what it has written is safe, and it goes on where it stopped
        case _:
            protected = len(found) > 1
    return StageView(stage, found[0] if found else None, bool(found) and protected)


def _victims(
    stage: Stage, channel: ChannelRecord, seen: Seen, observed: ObservedState, edge_node_id: str | None
) -> list[ObservedWorkload]:
    """What carries the stage: the one to kill first, then those that would take over."""
    find: Mapping[Stage, Callable[[], list[ObservedWorkload | None]]] = {
        Stage.STATION: lambda: [_station(seen, observed)],
        Stage.TRANSCODER: lambda: [observed.workload(transcoder_name(channel.id))],
        Stage.STANDBY: lambda: [observed.workload(standby_name(channel.id))],
        Stage.ORIGIN: lambda: _origins(channel, observed),
        Stage.EDGE: lambda: _by_viewers(channel, observed.relays("edge"), edge_node_id),
        Stage.DELIVERY: lambda: _by_viewers(channel, observed.of_kind(DELIVERY), edge_node_id),
        Stage.RECORDER: lambda: [w for w in observed.of_kind(RECORDER) if w.spec.get("channel_id") == channel.id],
    }
    return [workload for workload in find[stage]() if workload is not None and workload.serving]


def _station(seen: Seen, observed: ObservedState) -> ObservedWorkload | None:
    """The station of the input that viewers see."""
    active = seen.active or seen.inputs.get(InputName.MAIN)
    return observed.workload(station_name(active.node_id)) if active is not None else None


def _by_viewers(
    channel: ChannelRecord, workloads: tuple[ObservedWorkload, ...], node_id: str | None
) -> list[ObservedWorkload | None]:
    """Those of that node, or of all nodes; first the one with most of the channel's viewers."""
    space = space_of(channel.id)

    def viewers(workload: ObservedWorkload) -> tuple[int, str]:
        return (workload.metrics.get("viewers_by_space") or {}).get(space, 0), workload.id

    chosen = [w for w in workloads if w.serving and node_id in (None, w.node_id)]
    return [*sorted(chosen, key=viewers, reverse=True)]


def _origins(channel: ChannelRecord, observed: ObservedState) -> list[ObservedWorkload | None]:
    """First the origin that sends most of the channel's pictures: after one has died, that is another one."""
    serving = {w.id: w for w in observed.relays("origin") if w.serving}
    ranked = [serving[o.workload_id] for o in observed.origins() if o.workload_id in serving]
    spaces = (space_of(channel.id), ingest_space_of(channel.id))

    def sent_bps(origin: ObservedWorkload) -> int:
        egress = origin.metrics.get("egress_by_space") or {}
        return sum(egress.get(space, 0) for space in spaces)

    return [*sorted(ranked, key=sent_bps, reverse=True)]
