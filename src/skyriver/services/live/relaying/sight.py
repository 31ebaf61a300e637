"""What is seen of pulls and pushes now, in pure code: their workloads' reports -> the states that people see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from skyriver.platform.workloads.model import ObservedState, ObservedWorkload
from skyriver.services.live.intents.relaying import PULL, PUSH
from skyriver.services.live.model import InputName
from skyriver.services.live.relaying.status import RelayState

WAITING = "waiting"
"""Nothing runs: a push of a channel that is not live, or a process that is only being started."""


@dataclass(frozen=True)
class RelaySeen:
    """One pull or push as it is now. `since` is None while it waits."""

    state: str = WAITING
    since: datetime | None = None
    error: str = ""
    fps: int = 0
    bitrate_bps: int = 0
    bytes_sent: int = 0
    dropped: int = 0
    rendition: str = ""
    video: str = ""
    audio: str = ""
    width: int = 0
    height: int = 0

    def shape(self) -> dict[str, Any]:
        """As events and the API show it."""
        return {**vars(self), "since": self.since.isoformat() if self.since else None}


@dataclass
class ChannelRelays:
    """A channel's pulls by input, as far as they have a process, and its destinations by id."""

    pulls: dict[str, RelaySeen] = field(default_factory=dict)
    destinations: dict[str, RelaySeen] = field(default_factory=dict)

    def event(self) -> dict[str, Any]:
        """Their part of a `channel` event."""
        return {
            "pulls": {name: seen.shape() for name, seen in sorted(self.pulls.items())},
            "destinations": {id_: seen.shape() for id_, seen in sorted(self.destinations.items())},
        }


def relays_by_channel(observed: ObservedState) -> dict[str, ChannelRelays]:
    """Every channel that has something of the kind running."""
    found: dict[str, ChannelRelays] = {}
    for workload in observed.workloads:
        if workload.kind not in (PULL, PUSH):
            continue
        relays = found.setdefault(str(workload.spec.get("channel_id", "")), ChannelRelays())
        if workload.kind == PULL:
            relays.pulls[str(workload.spec.get("input", InputName.MAIN))] = see_relay(workload)
        else:
            relays.destinations[str(workload.spec.get("destination_id", ""))] = see_relay(workload)
    return found


def see_relay(workload: ObservedWorkload | None) -> RelaySeen:
    """One workload's report."""
    if workload is None or not workload.serving or workload.metrics.get("state") not in set(RelayState):
        return RelaySeen()
    metrics = workload.metrics
    return RelaySeen(
        state=str(metrics["state"]),
        since=_moment(metrics.get("since_us")),
        error=_text(metrics, "error", 500),
        fps=int(workload.metric("fps")),
        bitrate_bps=int(workload.metric("bitrate_bps")),
        bytes_sent=int(workload.metric("bytes_sent")),
        dropped=int(workload.metric("dropped")),
        rendition=_text(metrics, "rendition", 40),
        video=_text(metrics, "video", 40),
        audio=_text(metrics, "audio", 40),
        width=int(workload.metric("width")),
        height=int(workload.metric("height")),
    )


def _text(metrics: Mapping[str, Any], name: str, most: int) -> str:
    value = metrics.get(name, "")
    return value[:most] if isinstance(value, str) else ""


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(value / 1e6, UTC) if isinstance(value, int) else None
    except (ValueError, OverflowError, OSError):
        return None
