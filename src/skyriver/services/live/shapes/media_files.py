"""Uploaded files over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, Field

from skyriver.platform.web.fields import Body
from skyriver.services.live.media_files.model import NAME_CHARS_MAX, MediaFacts
from skyriver.services.live.records import MediaFileRecord
from skyriver.services.live.shapes.relaying import FileId

MediaFileId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,64}$", description="A file's id.")]
FileName = Annotated[
    str,
    Query(
        min_length=1,
        max_length=NAME_CHARS_MAX,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="What people call it; nothing is concluded from its ending.",
    ),
]


class MediaFileShape(BaseModel):
    id: str
    name: str
    size_bytes: int
    sha256: str
    container: str
    duration_ms: int
    video: str
    width: int
    height: int
    fps: float
    audio: str = Field(description="Empty where it has no sound.")
    pull_obstacle: str = Field(description="Why no input can be pulled from it; empty when one can.")
    slate_obstacle: str = Field(description="Why it cannot be a slate; empty when it can.")
    created_at: datetime


class SlateFilm(Body):
    file_id: FileId


class SlateFilmShape(BaseModel):
    """The film that is a channel's slate; null where it is a picture."""

    file_id: str | None
    file_name: str | None


def media_file_shape(file: MediaFileRecord) -> MediaFileShape:
    facts = MediaFacts.of(file.facts)
    return MediaFileShape(
        id=file.id,
        name=file.name,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        container=facts.container,
        duration_ms=facts.duration_ms,
        video=facts.video,
        width=facts.width,
        height=facts.height,
        fps=facts.fps,
        audio=facts.audio,
        pull_obstacle=facts.pull_obstacle,
        slate_obstacle=facts.slate_obstacle,
        created_at=file.created_at,
    )
