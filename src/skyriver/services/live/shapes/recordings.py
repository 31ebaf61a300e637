"""The shapes of recordings in the HTTP API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, Field

from skyriver.platform.web.fields import Body, Name
from skyriver.services.live.recordings.model import (
    DVR_MINUTES_MAX,
    RETENTION_DAYS_MAX,
    RecordingSettings,
    RecordingState,
    Renditions,
)
from skyriver.services.live.recordings.operations import SettingsChange, Stored, moment
from skyriver.services.live.records import RecordingRecord

RecordingId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,64}$", description="A recording's id.")]

_RETENTION = Field(description="How long recordings are kept after their show, in days.")
_DVR = Field(description="How far back viewers of a running show may go, in minutes; 0: not at all.")
_RENDITIONS = Field(description="`all` renditions, or only the largest (`top`). Sound is always recorded.")


class RecordingSettingsShape(BaseModel):
    enabled: bool
    retention_days: Annotated[int, _RETENTION]
    dvr_minutes: Annotated[int, _DVR]
    renditions: Annotated[Renditions, _RENDITIONS]


class RecordingSettingsPatch(Body):
    """Fields that are left out or null stay as they are."""

    enabled: bool | None = None
    retention_days: Annotated[int, Field(ge=1, le=RETENTION_DAYS_MAX), _RETENTION] | None = None
    dvr_minutes: Annotated[int, Field(ge=0, le=DVR_MINUTES_MAX), _DVR] | None = None
    renditions: Annotated[Renditions, _RENDITIONS] | None = None

    def change(self) -> SettingsChange:
        return SettingsChange(**dict(self))


class GapShape(BaseModel):
    """A stretch that was not recorded."""

    start: datetime
    end: datetime


class RecordedTrack(BaseModel):
    name: str
    kind: Literal["video", "audio"]
    codec: str
    width: int
    height: int


class RecordingShape(BaseModel):
    id: str
    channel_id: str
    channel_name: str = Field(description="As it was called when the show began.")
    kind: Literal["show", "clip"]
    source_id: str | None = Field(description="Of a clip: what it was cut from.")
    name: str
    state: RecordingState
    start: datetime
    end: datetime | None = Field(description="Null while the show runs.")
    duration_ms: int = Field(description="What can be played: gaps do not count.")
    size_bytes: int
    gaps: list[GapShape]
    tracks: list[RecordedTrack]
    retain_until: datetime | None = Field(description="When it is deleted; null: never by itself.")
    failure: str


class RecordingPatch(Body):
    name: Name


class NewClip(Body):
    """Segments are shared with nothing: a clip stays when its recording is deleted. Playback begins at `start`, and an
    MP4 file begins and ends at these very frames."""

    name: Name = Field(default="Clip")
    start: AwareDatetime = Field(examples=["2026-05-01T20:15:00Z"])
    end: AwareDatetime


class PlayTicket(BaseModel):
    """Addresses that anybody who has them can use until they expire."""

    recording_id: str
    hls_url: str = Field(description="HLS: of a running show, the window that its channel allows.")
    thumbnails_url: str = Field(description="WebVTT that names the picture for each ten seconds, for a scrub bar.")
    poster_url: str
    download_url: str | None = Field(
        description="One MP4 file of the largest rendition and the sound; ?rendition= for another. Null: not allowed."
    )
    start: datetime = Field(description="When the recording begins.")
    window_s: int | None = Field(description="How far back from its end a running show can be played; null: all of it.")
    expires_at: datetime


class StorageShape(BaseModel):
    """What your recordings hold."""

    recordings: int
    size_bytes: int
    byte_hours: int = Field(description="The sum of what was held at each full hour of the period.")
    since: datetime
    until: datetime


def settings_shape(settings: RecordingSettings) -> RecordingSettingsShape:
    return RecordingSettingsShape(**vars(settings))


def recording_shape(row: RecordingRecord) -> RecordingShape:
    return RecordingShape.model_validate(
        {
            "id": row.id,
            "channel_id": row.channel_id,
            "channel_name": row.channel_name,
            "kind": row.kind,
            "source_id": row.source_id,
            "name": row.name,
            "state": row.state,
            "start": row.started_at,
            "end": row.ended_at,
            "duration_ms": row.duration_ms,
            "size_bytes": row.size_bytes,
            "gaps": [_gap(gap) for gap in row.gaps],
            "tracks": row.tracks,
            "retain_until": row.retain_until,
            "failure": row.failure,
        }
    )


def storage_shape(stored: Stored, since: datetime, until: datetime) -> StorageShape:
    return StorageShape(since=since, until=until, **vars(stored))


def _gap(gap: dict[str, Any]) -> GapShape:
    return GapShape(start=moment(int(gap["from_us"])), end=moment(int(gap["to_us"])))
