"""What is seen of a channel and of its viewers, as the API shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field

from skyriver.platform.web.fields import Body
from skyriver.services.live.eyes import histogram
from skyriver.services.live.eyes.rollup import QoeAnswer, Sums
from skyriver.services.live.media.detectors import DetectorSettings

Seconds = Annotated[float, Field(ge=0, le=3600)]
Share = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[float, Field(ge=-120, le=0)]


class DetectorsShape(Body):
    """What counts as wrong on a channel, and for how many seconds before it is an alarm."""

    enabled: bool = True
    black_share: Share = Field(0.98, description="Share of the picture that is dark, from which it is black.")
    black_level: Share = Field(0.10, description="Luma from 0 to 1 up to which a point is dark.")
    black_alarm_s: Seconds = 10.0
    frozen_noise: Share = Field(0.03, description="Largest change of any spot that is no movement.")
    frozen_alarm_s: Seconds = 20.0
    silence_dbfs: Level = -60.0
    silence_alarm_s: Seconds = 15.0
    loud_max_lufs: Level = Field(-9.0, description="Of the short-term loudness (EBU R 128).")
    loud_min_lufs: Level = -38.0
    loudness_alarm_s: Seconds = 30.0
    keyframe_max_s: Seconds = 10.0
    bitrate_share: Share = Field(0.2, description="Share of the channel's own usual, below which it has collapsed.")
    bitrate_alarm_s: Seconds = 15.0
    fps_share: Share = 0.5
    fps_alarm_s: Seconds = 8.0

    def settings(self) -> DetectorSettings:
        return DetectorSettings(**self.model_dump())


def detectors_shape(settings: DetectorSettings) -> DetectorsShape:
    return DetectorsShape(**asdict(settings))


class SoundShape(BaseModel):
    """Loudness in LUFS (EBU R 128), levels in dBFS by channel."""

    momentary_lufs: float | None = None
    short_term_lufs: float | None = None
    integrated_lufs: float | None = None
    levels_dbfs: list[float] = []


class InputSeen(BaseModel):
    """One input with a publisher."""

    name: str
    active: bool
    site: str
    codec: str
    width: int
    height: int
    fps: float
    bitrate_bps: int
    audio: str
    since: datetime
    delay_ms: float | None = Field(description="From the picture's time to its leaving the station.")
    gop_s: float | None = Field(description="Between keyframes, at the station.")
    drift_ms: float | None = Field(description="How far the publisher's clock has run away from ours since it began.")
    clock_jumps: int = Field(description="How often the publisher's timestamps jumped.")
    loss_percent: float | None = Field(description="Packets lost on the way, where the protocol tells (SRT).")
    rtt_ms: float | None = Field(description="Round trip to the publisher, where the protocol tells (SRT).")


class ArrivalsShape(BaseModel):
    """How the active input's pictures reach the transcoder, against what this channel usually has."""

    bitrate_bps: int
    usual_bitrate_bps: int = Field(description="Median of the last minutes; 0: not known yet.")
    fps: float
    usual_fps: float
    gop_ms: int = Field(description="Between the last two keyframes.")
    keyframe_age_s: float


class StageShape(BaseModel):
    """One stage on the way of a picture. Delays count from the picture's own time, so that they grow stage by stage."""

    name: str
    delay_ms: float | None


class RenditionSeen(BaseModel):
    name: str
    fps: float
    bitrate_bps: int
    delay_ms: float
    delay_max_ms: float


class ViewersSeen(BaseModel):
    """`by_site` is counted by the edges' relays; by protocol and rendition by what players told of the last minute."""

    by_site: dict[str, int]
    by_protocol: dict[str, float]
    by_rendition: dict[str, float]


class ChannelSight(BaseModel):
    """Everything that is seen of a channel at this moment."""

    inputs: list[InputSeen]
    on_slate: bool
    arrivals: ArrivalsShape | None
    sound: SoundShape | None
    detectors: dict[str, bool] = Field(description="What the detectors see; a state that is not known is left out.")
    stages: list[StageShape]
    renditions: list[RenditionSeen]
    viewers: ViewersSeen


class QoeFigures(BaseModel):
    """How it was for viewers."""

    viewings: int = Field(description="That began.")
    viewers: float = Field(description="On average at the same time.")
    watched_s: float
    startup_p50_ms: float | None
    startup_p95_ms: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    rebuffers: int
    rebuffer_share: float | None = Field(description="Time stood still, as a share of the time that was to be watched.")
    switches: int
    errors: int
    renditions: dict[str, float] = Field(description="Seconds watched, by rendition.")


class QoePoint(QoeFigures):
    at: datetime = Field(description="When the step begins.")


class Qoe(BaseModel):
    since: datetime
    until: datetime
    step_s: int
    total: QoeFigures
    points: list[QoePoint]
    by_site: dict[str, QoeFigures]
    by_region: dict[str, QoeFigures]
    by_protocol: dict[str, QoeFigures]


def qoe_shape(answer: QoeAnswer, since: datetime, until: datetime, step: timedelta) -> Qoe:
    whole = until - since
    return Qoe(
        since=since,
        until=until,
        step_s=int(step.total_seconds()),
        total=_figures(answer.total, whole),
        points=[QoePoint(at=at, **_figures(sums, step).model_dump()) for at, sums in answer.points.items()],
        by_site=_grouped(answer.by_site, whole),
        by_region=_grouped(answer.by_region, whole),
        by_protocol=_grouped(answer.by_protocol, whole),
    )


def _grouped(groups: Mapping[str, Sums], span: timedelta) -> dict[str, QoeFigures]:
    return {name: _figures(sums, span) for name, sums in sorted(groups.items())}


def _figures(sums: Sums, span: timedelta) -> QoeFigures:
    stood_and_moved_ms = sums.watched_ms + sums.rebuffer_ms
    return QoeFigures(
        viewings=sums.viewings,
        viewers=round(sums.watched_ms / max(span.total_seconds() * 1000, 1), 2),
        watched_s=round(sums.watched_ms / 1000, 1),
        startup_p50_ms=histogram.quantile_ms(sums.startups, 0.5),
        startup_p95_ms=histogram.quantile_ms(sums.startups, 0.95),
        latency_p50_ms=histogram.quantile_ms(sums.latencies, 0.5),
        latency_p95_ms=histogram.quantile_ms(sums.latencies, 0.95),
        rebuffers=sums.rebuffers,
        rebuffer_share=round(sums.rebuffer_ms / stood_and_moved_ms, 4) if stood_and_moved_ms else None,
        switches=sums.switches,
        errors=sums.errors,
        renditions={name: round(watched_ms / 1000, 1) for name, watched_ms in sorted(sums.renditions.items())},
    )


def arrivals_shape(report: Mapping[str, Any]) -> ArrivalsShape | None:
    found = report.get("arrivals")
    return ArrivalsShape.model_validate(found) if isinstance(found, Mapping) else None


def sound_shape(report: Mapping[str, Any]) -> SoundShape | None:
    found = report.get("sound")
    return SoundShape.model_validate(found) if isinstance(found, Mapping) else None
