"""What is seen of live channels now: the lives of all channels, out of workloads' reports (their numbers: `seen`).

`Lives` listens to two witnesses. A station's event (`input started`, `input stopped`) is fast and may be lost; its
metrics, once a second, list the publishers it has and are the truth a moment later. An event wins for `GRACE`, so
that metrics which left the station before the event cannot undo it; after that, what the metrics say counts.

When no node at all is heard, it is we who are deaf (a dead bus, a cut network): then nothing is concluded, because
the shows very likely go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from skyriver.platform.workloads.model import NodeState, ObservedState, ObservedWorkload
from skyriver.services.live.intents import STATION, TRANSCODER
from skyriver.services.live.life import Life
from skyriver.services.live.model import ChannelState, InputName, input_id

GRACE = timedelta(seconds=3)
"""Metrics are a second apart and wait up to a heartbeat: three seconds is twice the oldest they can be."""


@dataclass(frozen=True)
class InputChange:
    """A publisher of an input came or went; to be written down: a restarted API must not forget a running show."""

    channel_id: str
    node_id: str
    since: datetime
    ended_at: datetime | None
    input: InputName = InputName.MAIN


@dataclass
class _Place:
    """Where an input's publisher is, and when it was last heard of by an event."""

    node_id: str = ""
    news_at: datetime | None = None

    def settled(self, now: datetime) -> bool:
        """Whether the last event is old enough for metrics to be believed over it."""
        return self.news_at is None or not timedelta(0) <= now - self.news_at < GRACE


@dataclass
class _Track:
    life: Life = field(default_factory=Life)
    places: dict[InputName, _Place] = field(default_factory=lambda: {name: _Place() for name in InputName})


class Lives:
    """The life of every channel that has one. Owned by one task; `life` may be read by any."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}

    def life(self, channel_id: str) -> Life:
        track = self._tracks.get(channel_id)
        return track.life if track else Life()

    def publisher_node_id(self, channel_id: str, name: InputName = InputName.MAIN) -> str | None:
        """The node where the input's publisher is now."""
        track = self._tracks.get(channel_id)
        return track.places[name].node_id if track and track.life.present(name) else None

    def restore(self, change: InputChange, now: datetime, hold: timedelta | None = None) -> None:
        """Take over what was written down, by an earlier self or by another API process."""
        track = self._tracks.setdefault(change.channel_id, _Track())
        if hold is not None:
            track.life = replace(track.life, hold=hold)
        life = track.life.on_input_started(change.since, change.input)
        if change.ended_at is not None:
            life = life.on_input_stopped(change.since, change.ended_at, change.input)
        if life != track.life:
            track.life, track.places[change.input] = life.at(now), _Place(change.node_id, now)

    def held(self) -> set[str]:
        """The channels that wait for a publisher."""
        return {channel_id for channel_id, track in self._tracks.items() if track.life.ended_at is not None}

    def hold(self, channel_id: str, hold: timedelta) -> None:
        """How long this channel waits for its publishers."""
        if track := self._tracks.get(channel_id):
            track.life = replace(track.life, hold=hold)

    def wanted(self) -> set[str]:
        """The channels that want a transcoder now."""
        return {channel_id for channel_id, track in self._tracks.items() if track.life.wants_transcoder}

    def count(self, state: ChannelState) -> int:
        """How many channels are in this state."""
        return sum(track.life.state is state for track in self._tracks.values())

    def forget_except(self, channel_ids: Iterable[str]) -> None:
        """Drop channels that were deleted."""
        kept = set(channel_ids)
        self._tracks = {channel_id: track for channel_id, track in self._tracks.items() if channel_id in kept}

    def on_input_event(self, station: ObservedWorkload, event: Mapping[str, Any], now: datetime) -> InputChange | None:
        """A station says that an input started or stopped. A station is believed about the inputs it carries only."""
        channel_id, name = str(event.get("channel_id", "")), _name(event.get("input"))
        if name is None or station.kind != STATION or (channel_id, name) not in _carried(station):
            return None
        track = self._tracks.setdefault(channel_id, _Track())
        if event.get("state") == "started":
            return self._started(channel_id, name, station.node_id, _since(event) or now, now)
        if event.get("state") == "stopped" and track.places[name].node_id == station.node_id:
            return self._stopped(channel_id, name, _since(event), now)
        return None

    def look(self, observed: ObservedState, now: datetime) -> list[InputChange]:
        """Take in one moment of observation; returns what is to be written down."""
        changes: list[InputChange | None] = []
        if any(node.state is NodeState.ALIVE for node in observed.nodes):
            present = _present(observed)
            for (channel_id, name), (node_id, since) in present.items():
                track = self._tracks.setdefault(channel_id, _Track())
                place = track.places[name]
                if place.settled(now) and not (track.life.present(name) and place.node_id == node_id):
                    changes.append(self._started(channel_id, name, node_id, since or now, now))
            for channel_id, track in self._tracks.items():
                for name, place in track.places.items():
                    gone = track.life.present(name) and (channel_id, name) not in present and place.settled(now)
                    if gone and not _not_heard_yet(observed, place.node_id):
                        changes.append(self._stopped(channel_id, name, None, now))
        for workload in observed.of_kind(TRANSCODER):
            channel_id = str(workload.spec.get("channel_id", ""))
            if channel_id in self._tracks and _delivers(workload):
                track = self._tracks[channel_id]
                track.life = track.life.on_picture(now)
        for track in self._tracks.values():
            track.life = track.life.at(now)
        return [change for change in changes if change is not None]

    def _started(
        self, channel_id: str, name: InputName, node_id: str, since: datetime, now: datetime
    ) -> InputChange | None:
        track = self._tracks[channel_id]
        known, here = track.life.since(name), track.places[name].node_id == node_id
        if known is not None and since < known and not (here and track.life.present(name)):
            since = now  # clocks of two nodes, or one that was set back: names of publishers must grow
        life = track.life.on_input_started(since, name)
        if life == track.life:
            return None
        track.life, track.places[name] = life, _Place(node_id, now)
        return InputChange(channel_id, node_id, since, None, name)

    def _stopped(self, channel_id: str, name: InputName, since: datetime | None, now: datetime) -> InputChange | None:
        track = self._tracks[channel_id]
        present = track.life.since(name)
        if present is None:
            return None
        life = track.life.on_input_stopped(since or present, now, name)
        if life == track.life:
            return None
        track.life, track.places[name].news_at = life, now
        return InputChange(channel_id, track.places[name].node_id, present, now, name)


def _name(value: object) -> InputName | None:
    """An input's name as a station says it; None for what is none."""
    try:
        return InputName(str(value)) if value is not None else InputName.MAIN
    except ValueError:
        return None


def _since(event: Mapping[str, Any]) -> datetime | None:
    """An input's name: when it started, in media time; None when it is not said, or is no time."""
    since_us = event.get("since_us")
    try:
        return datetime.fromtimestamp(since_us / 1e6, UTC) if isinstance(since_us, int) else None
    except (ValueError, OverflowError, OSError):
        return None


def _carried(station: ObservedWorkload) -> set[tuple[str, InputName]]:
    entries = station.spec.get("channels", ())
    named = ((entry["channel_id"], _name(entry.get("input"))) for entry in entries)
    return {(channel_id, name) for channel_id, name in named if name is not None}


def input_metrics(station: ObservedWorkload, channel_id: str, name: InputName) -> Mapping[str, Any] | None:
    """What a station reports of one input; None while it has no publisher."""
    inputs = station.metrics.get("inputs")
    metrics = inputs.get(input_id(channel_id, name)) if isinstance(inputs, Mapping) else None
    return metrics if isinstance(metrics, Mapping) else None


def _present(observed: ObservedState) -> dict[tuple[str, InputName], tuple[str, datetime | None]]:
    """Channel and input -> node, and name, of every publisher that a serving station of a living node reports."""
    heard = {node.id for node in observed.nodes if node.state in (NodeState.ALIVE, NodeState.SUSPECT)}
    return {
        (channel_id, name): (station.node_id, _since(metrics))
        for station in observed.of_kind(STATION)
        if station.serving and station.node_id in heard
        for channel_id, name in _carried(station)
        if (metrics := input_metrics(station, channel_id, name)) is not None
    }


def _not_heard_yet(observed: ObservedState, node_id: str) -> bool:
    """Whether the node, or its station, has not reported since this API process began to listen."""
    node = observed.node(node_id)
    if node is None or node.state is NodeState.DEAD:
        return False
    stations = [w for w in node.workloads if w.kind == STATION]
    return node.state is NodeState.UNKNOWN or any(not w.reported for w in stations)


def _delivers(transcoder: ObservedWorkload) -> bool:
    """Whether anything reaches viewers: pictures, or sound where there are no pictures."""
    tracks = renditions_of(transcoder) or _listed(transcoder, "audio")
    return transcoder.serving and any(number(track, "fps") > 0 for track in tracks)


def renditions_of(transcoder: ObservedWorkload) -> list[Mapping[str, Any]]:
    """What a transcoder reports of its renditions."""
    return _listed(transcoder, "renditions")


def _listed(transcoder: ObservedWorkload, name: str) -> list[Mapping[str, Any]]:
    listed = transcoder.metrics.get(name)
    return [r for r in listed if isinstance(r, Mapping)] if isinstance(listed, list | tuple) else []


def number(values: Mapping[str, Any], name: str) -> float:
    """A number of a report; 0 where there is none."""
    value = values.get(name, 0)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
