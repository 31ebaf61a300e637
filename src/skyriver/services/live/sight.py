"""What is seen of live channels now: the lives of all channels, and the numbers of one, out of workloads' reports.

`Lives` listens to two witnesses. A station's event (`input started`, `input stopped`) is fast and may be lost; its
metrics, once a second, list the publishers it has and are the truth a moment later. An event wins for `GRACE`, so
that metrics which left the station before the event cannot undo it; after that, what the metrics say counts.

When no node at all is heard, it is we who are deaf (a dead bus, a cut network): then nothing is concluded, because
the shows very likely go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from skyriver.platform.workloads.model import NodeState, ObservedState, ObservedWorkload
from skyriver.services.live.intents import STATION, TRANSCODER, transcoder_name
from skyriver.services.live.model import ChannelState, Input, Life, space_of

GRACE = timedelta(seconds=3)
"""Metrics are a second apart and wait up to a heartbeat: three seconds is twice the oldest they can be."""


@dataclass(frozen=True)
class InputChange:
    """An input began or ended; to be written down, because a restarted API must not forget a running show."""

    channel_id: str
    node_id: str
    since: datetime
    ended_at: datetime | None


@dataclass
class _Track:
    life: Life = field(default_factory=Life)
    node_id: str = ""
    news_at: datetime | None = None

    def settled(self, now: datetime) -> bool:
        """Whether the last event is old enough for metrics to be believed over it."""
        return self.news_at is None or not timedelta(0) <= now - self.news_at < GRACE


class Lives:
    """The life of every channel that has one. Owned by one task; `life` may be read by any."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}

    def life(self, channel_id: str) -> Life:
        track = self._tracks.get(channel_id)
        return track.life if track else Life()

    def publisher_node_id(self, channel_id: str) -> str | None:
        """The node where the channel's publisher is now."""
        track = self._tracks.get(channel_id)
        return track.node_id if track and track.life.has_input else None

    def restore(self, change: InputChange, now: datetime) -> None:
        """Take over what was written down, by an earlier self or by another API process."""
        track = self._tracks.setdefault(change.channel_id, _Track())
        life = track.life.on_input_started(change.since)
        if change.ended_at is not None:
            life = life.on_input_stopped(change.since, change.ended_at)
        if life != track.life:
            track.life, track.node_id, track.news_at = life.at(now), change.node_id, now

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
        """A station says that an input started or stopped. A station is believed about the channels it carries only."""
        channel_id = str(event.get("channel_id", ""))
        if station.kind != STATION or channel_id not in _carried(station):
            return None
        track = self._tracks.setdefault(channel_id, _Track())
        if event.get("state") == "started":
            return self._started(channel_id, track, station.node_id, _since(event) or now, now)
        if event.get("state") == "stopped" and track.node_id == station.node_id:
            return self._stopped(channel_id, track, _since(event), now)
        return None

    def look(self, observed: ObservedState, now: datetime) -> list[InputChange]:
        """Take in one moment of observation; returns what is to be written down."""
        changes: list[InputChange | None] = []
        if any(node.state is NodeState.ALIVE for node in observed.nodes):
            present = _present(observed)
            for channel_id, (node_id, since) in present.items():
                track = self._tracks.setdefault(channel_id, _Track())
                if track.settled(now) and not (track.life.has_input and track.node_id == node_id):
                    changes.append(self._started(channel_id, track, node_id, since or now, now))
            for channel_id, track in self._tracks.items():
                gone = track.life.has_input and channel_id not in present and track.settled(now)
                if gone and not _not_heard_yet(observed, track.node_id):
                    changes.append(self._stopped(channel_id, track, None, now))
        for workload in observed.of_kind(TRANSCODER):
            channel_id = str(workload.spec.get("channel_id", ""))
            if channel_id in self._tracks and _delivers(workload):
                track = self._tracks[channel_id]
                track.life = track.life.on_picture(now)
        for track in self._tracks.values():
            track.life = track.life.at(now)
        return [change for change in changes if change is not None]

    def _started(
        self, channel_id: str, track: _Track, node_id: str, since: datetime, now: datetime
    ) -> InputChange | None:
        known = track.life.since
        if known is not None and since < known and (node_id != track.node_id or not track.life.has_input):
            since = now  # clocks of two nodes, or one that was set back: names of inputs must grow
        life = track.life.on_input_started(since)
        if life == track.life:
            return None
        track.life, track.node_id, track.news_at = life, node_id, now
        return InputChange(channel_id, node_id, since, None)

    def _stopped(self, channel_id: str, track: _Track, since: datetime | None, now: datetime) -> InputChange | None:
        present = track.life.since
        if present is None:
            return None
        life = track.life.on_input_stopped(since or present, now)
        if life == track.life:
            return None
        track.life, track.news_at = life, now
        return InputChange(channel_id, track.node_id, present, now)


def _since(event: Mapping[str, Any]) -> datetime | None:
    """An input's name: when it started, in media time; None when it is not said, or is no time."""
    since_us = event.get("since_us")
    try:
        return datetime.fromtimestamp(since_us / 1e6, UTC) if isinstance(since_us, int) else None
    except (ValueError, OverflowError, OSError):
        return None


def _carried(station: ObservedWorkload) -> set[str]:
    return {channel["channel_id"] for channel in station.spec.get("channels", ())}


def _station_metrics(station: ObservedWorkload) -> Mapping[str, Mapping[str, Any]]:
    channels = station.metrics.get("channels")
    if not isinstance(channels, Mapping):
        return {}
    return {channel_id: metrics for channel_id, metrics in channels.items() if isinstance(metrics, Mapping)}


def _present(observed: ObservedState) -> dict[str, tuple[str, datetime | None]]:
    """Channel -> node, and name, of every input that a serving station of a living node reports."""
    heard = {node.id for node in observed.nodes if node.state in (NodeState.ALIVE, NodeState.SUSPECT)}
    return {
        channel_id: (station.node_id, _since(_station_metrics(station)[channel_id]))
        for station in observed.of_kind(STATION)
        if station.serving and station.node_id in heard
        for channel_id in set(_station_metrics(station)) & _carried(station)
    }


def _not_heard_yet(observed: ObservedState, node_id: str) -> bool:
    """Whether the node, or its station, has not reported since this API process began to listen."""
    node = observed.node(node_id)
    if node is None or node.state is NodeState.DEAD:
        return False
    stations = [w for w in node.workloads if w.kind == STATION]
    return node.state is NodeState.UNKNOWN or any(not w.reported for w in stations)


def _delivers(transcoder: ObservedWorkload) -> bool:
    return transcoder.serving and any(rate > 0 for rate in (_number(r, "fps") for r in _renditions(transcoder)))


def _renditions(transcoder: ObservedWorkload) -> list[Mapping[str, Any]]:
    listed = transcoder.metrics.get("renditions")
    return [r for r in listed if isinstance(r, Mapping)] if isinstance(listed, list | tuple) else []


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values.get(name, 0)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


# --- the numbers of one channel -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """One channel as it is now."""

    state: ChannelState
    input: Input | None
    since: datetime | None
    viewers_by_site: dict[str, int]
    egress_bps: int
    renditions: list[dict[str, Any]]
    station_ms: float | None
    transcode_ms: float | None

    @property
    def viewers(self) -> int:
        return sum(self.viewers_by_site.values())

    def input_shape(self) -> dict[str, Any] | None:
        """The input as the API shows it; None while there is none."""
        if self.input is None or self.since is None:
            return None
        return {**asdict(self.input), "since": self.since.isoformat()}


def see(channel_id: str, life: Life, observed: ObservedState) -> Seen:
    """Everything that is reported about one channel."""
    metrics = _input_metrics(channel_id, observed) if life.has_input else {}
    transcoder = observed.workload(transcoder_name(channel_id))
    viewers_by_site, egress_bps = _audience(space_of(channel_id), observed)
    return Seen(
        state=life.state,
        input=_input(metrics) if life.has_input else None,
        since=life.since if life.has_input else None,
        viewers_by_site=viewers_by_site,
        egress_bps=egress_bps,
        renditions=[dict(r) for r in _renditions(transcoder)] if transcoder and transcoder.serving else [],
        station_ms=_number(metrics, "delay_ms") if "delay_ms" in metrics else None,
        transcode_ms=transcoder.metric("delay_ms") if transcoder and "delay_ms" in transcoder.metrics else None,
    )


def _input_metrics(channel_id: str, observed: ObservedState) -> Mapping[str, Any]:
    for station in observed.of_kind(STATION):
        if station.serving and channel_id in _carried(station):
            return _station_metrics(station).get(channel_id, {})
    return {}


def _input(metrics: Mapping[str, Any]) -> Input:
    return Input(
        codec=str(metrics.get("codec") or ""),
        width=int(_number(metrics, "width")),
        height=int(_number(metrics, "height")),
        fps=round(_number(metrics, "fps"), 2),
        bitrate_bps=int(_number(metrics, "bitrate_bps")),
        audio=str(metrics.get("audio") or ""),
    )


def _audience(space: str, observed: ObservedState) -> tuple[dict[str, int], int]:
    viewers: dict[str, int] = {}
    egress_bps = 0.0
    for node in observed.nodes:
        for relay in node.workloads:
            if relay.kind != "relay" or relay.spec.get("role") != "edge" or not relay.serving:
                continue
            count = int(_number(relay.metrics.get("viewers_by_space") or {}, space))
            if count:
                viewers[node.site_slug] = viewers.get(node.site_slug, 0) + count
            egress_bps += _number(relay.metrics.get("egress_by_space") or {}, space)
    return viewers, int(egress_bps)
