"""The numbers of one channel as it is now, out of workloads' reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from skyriver.platform.workloads.model import ObservedState, ObservedWorkload
from skyriver.services.live.intents import STATION, standby_name, transcoder_name
from skyriver.services.live.intents.delivery import DELIVERY
from skyriver.services.live.intents.whep import WHEP
from skyriver.services.live.life import Life
from skyriver.services.live.model import ChannelState, Input, InputName, space_of
from skyriver.services.live.sight import input_metrics, number, renditions_of

SLATE = "slate"
"""What a transcoder calls its input while it has none."""


@dataclass(frozen=True)
class SeenInput:
    """One input with a publisher, as its station reports it."""

    name: InputName
    facts: Input
    since: datetime
    site: str
    node_id: str
    active: bool
    """Whether the transcoder says that this is what viewers see."""
    delay_ms: float | None

    def shape(self) -> dict[str, Any]:
        """What is sent, as the API shows it."""
        return {**asdict(self.facts), "since": self.since.isoformat()}


@dataclass(frozen=True)
class Seen:
    """One channel as it is now."""

    state: ChannelState
    inputs: dict[InputName, SeenInput]
    on_slate: bool
    viewers_by_site: dict[str, int]
    egress_bps: int
    renditions: list[dict[str, Any]]
    transcode_ms: float | None

    @property
    def viewers(self) -> int:
        return sum(self.viewers_by_site.values())

    @property
    def active(self) -> SeenInput | None:
        """The input that viewers see, or will see as far as can be told: the first one until a transcoder says more."""
        told = (seen for seen in self.inputs.values() if seen.active)
        return next(told, next(iter(self.inputs.values()), None))

    @property
    def input(self) -> Input | None:
        """What the input that viewers see sends; None while there is none."""
        return active.facts if (active := self.active) else None

    @property
    def since(self) -> datetime | None:
        return active.since if (active := self.active) else None

    @property
    def station_ms(self) -> float | None:
        return active.delay_ms if (active := self.active) else None

    def input_shapes(self) -> list[dict[str, Any]]:
        """Every input that has a publisher, as the API shows it."""
        return [
            {**seen.shape(), "name": name.value, "site": seen.site, "active": seen.active}
            for name, seen in self.inputs.items()
        ]

    def input_shape(self) -> dict[str, Any] | None:
        """The active input as the API shows it; None while there is none."""
        return active.shape() if (active := self.active) else None


def see(channel_id: str, life: Life, observed: ObservedState) -> Seen:
    """Everything that is reported about one channel."""
    transcoder = _transcoder(channel_id, observed)
    told = str(transcoder.metrics.get("active", "")) if transcoder else ""
    present = [name for name in InputName if life.present(name)]
    viewers_by_site, egress_bps = _audience(space_of(channel_id), observed)
    return Seen(
        state=life.state,
        inputs={name: _input(channel_id, name, life, observed, active=name.value == told) for name in present},
        on_slate=told == SLATE and life.wants_transcoder,
        viewers_by_site=viewers_by_site,
        egress_bps=egress_bps,
        renditions=[dict(r) for r in renditions_of(transcoder)] if transcoder else [],
        transcode_ms=transcoder.metric("delay_ms") if transcoder and "delay_ms" in transcoder.metrics else None,
    )


def offered(channel_id: str, observed: ObservedState) -> dict[str, Any] | None:
    """The catalog of a channel's broadcast as its transcoder last told it; None while there is none, or no JSON."""
    transcoder = _transcoder(channel_id, observed)
    told = transcoder.metrics.get("catalog") if transcoder is not None else None
    if not isinstance(told, str) or not told:
        return None
    try:
        document = json.loads(told, parse_constant=_refuse)
    except (ValueError, RecursionError):  # a ticket is good without it: players wait for the catalog's track then
        return None
    return document if isinstance(document, dict) else None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _transcoder(channel_id: str, observed: ObservedState) -> ObservedWorkload | None:
    """The channel's transcoder that works now: the first one, else its standby."""
    both = (observed.workload(name) for name in (transcoder_name(channel_id), standby_name(channel_id)))
    return next((workload for workload in both if workload is not None and workload.serving), None)


def _input(channel_id: str, name: InputName, life: Life, observed: ObservedState, *, active: bool) -> SeenInput:
    since = life.since(name)
    assert since is not None
    metrics: Mapping[str, Any] = {}
    node_id = ""
    for station in observed.of_kind(STATION):
        if station.serving and (found := input_metrics(station, channel_id, name)) is not None:
            metrics, node_id = found, station.node_id
    node = observed.node(node_id)
    return SeenInput(
        name=name,
        facts=_facts(metrics),
        since=since,
        site=node.site_slug if node else "",
        node_id=node_id,
        active=active,
        delay_ms=number(metrics, "delay_ms") if "delay_ms" in metrics else None,
    )


def _facts(metrics: Mapping[str, Any]) -> Input:
    return Input(
        codec=str(metrics.get("codec") or ""),
        width=int(number(metrics, "width")),
        height=int(number(metrics, "height")),
        fps=round(number(metrics, "fps"), 2),
        bitrate_bps=int(number(metrics, "bitrate_bps")),
        audio=str(metrics.get("audio") or ""),
    )


def _audience(space: str, observed: ObservedState) -> tuple[dict[str, int], int]:
    viewers: dict[str, int] = {}
    egress_bps = 0.0
    for node in observed.nodes:
        for workload in node.workloads:
            is_edge = workload.kind == "relay" and workload.spec.get("role") == "edge"
            if not ((is_edge or workload.kind in (DELIVERY, WHEP)) and workload.serving):
                continue
            count = int(number(workload.metrics.get("viewers_by_space") or {}, space))
            if count:
                viewers[node.site_slug] = viewers.get(node.site_slug, 0) + count
            egress_bps += number(workload.metrics.get("egress_by_space") or {}, space)
    return viewers, int(egress_bps)
