"""One channel at this moment, put together from everybody who sees something of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skyriver.platform.workloads import ObservedState
from skyriver.services.live.eyes.conditions import states_of
from skyriver.services.live.eyes.rollup import QoeAnswer
from skyriver.services.live.intents import STATION
from skyriver.services.live.seen import Seen, SeenInput
from skyriver.services.live.shapes.eyes import (
    ChannelSight,
    InputSeen,
    RenditionSeen,
    StageShape,
    ViewersSeen,
    arrivals_shape,
    sound_shape,
)
from skyriver.services.live.sight import input_metrics, number

ELSEWHERE = ("", "")


def site_of(observed: ObservedState, node_id: str) -> tuple[str, str]:
    """Site and region of an edge; empty where a player names none that there is, so that nobody can invent places."""
    node = observed.node(node_id) if node_id else None
    return (node.site_slug, node.region) if node is not None else ELSEWHERE


def _station_metrics(channel_id: str, one: SeenInput, observed: ObservedState) -> Mapping[str, Any]:
    for station in observed.of_kind(STATION):
        if station.node_id == one.node_id and (found := input_metrics(station, channel_id, one.name)) is not None:
            return found
    return {}


def _input(one: SeenInput, metrics: Mapping[str, Any]) -> InputSeen:
    def told(name: str) -> float | None:
        return number(metrics, name) if name in metrics else None

    return InputSeen(
        name=one.name.value,
        active=one.active,
        site=one.site,
        delay_ms=one.delay_ms,
        gop_s=told("gop_s"),
        drift_ms=told("drift_ms"),
        clock_jumps=int(number(metrics, "clock_jumps")),
        loss_percent=told("loss_percent"),
        rtt_ms=told("rtt_ms"),
        **one.shape(),
    )


def channel_sight(
    channel_id: str, seen: Seen, observed: ObservedState, report: Mapping[str, Any], recent: QoeAnswer
) -> ChannelSight:
    """What the API shows. `recent`: one whole minute of what players told."""
    minute_ms = 60_000
    return ChannelSight(
        inputs=[_input(one, _station_metrics(channel_id, one, observed)) for one in seen.inputs.values()],
        on_slate=seen.on_slate,
        arrivals=arrivals_shape(report),
        sound=sound_shape(report),
        detectors={name: state for name, state in states_of(report).items() if isinstance(state, bool)},
        stages=[
            StageShape(name="station", delay_ms=seen.station_ms),
            StageShape(name="transcode", delay_ms=seen.transcode_ms),
        ],
        renditions=[
            RenditionSeen(
                name=str(rendition.get("name", "")),
                fps=number(rendition, "fps"),
                bitrate_bps=int(number(rendition, "bitrate_bps")),
                delay_ms=number(rendition, "delay_ms"),
                delay_max_ms=number(rendition, "delay_max_ms"),
            )
            for rendition in seen.renditions
        ],
        viewers=ViewersSeen(
            by_site=seen.viewers_by_site,
            by_protocol={name: round(sums.watched_ms / minute_ms, 1) for name, sums in recent.by_protocol.items()},
            by_rendition={
                name: round(watched_ms / minute_ms, 1) for name, watched_ms in sorted(recent.total.renditions.items())
            },
        ),
    )
