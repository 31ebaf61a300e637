"""What a channel takes from a URL and where it is sent on to, over HTTP. Secrets come in and never go out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, Field, SecretStr, StringConstraints

from skyriver.platform.web.fields import Body, Name
from skyriver.services.live.model import InputName
from skyriver.services.live.records import DestinationRecord, PullRecord
from skyriver.services.live.relaying.addresses import KEY_CHARS_MAX, URL_CHARS_MAX
from skyriver.services.live.relaying.operations import DestinationChange, DestinationDraft, PullDraft
from skyriver.services.live.relaying.sight import RelaySeen

DestinationId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,64}$", description="A destination's id.")]
PulledInput = Annotated[InputName, Query(description="Which input of the channel the pull feeds.")]
FileId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]
Url = Annotated[SecretStr, Field(max_length=URL_CHARS_MAX)]
Key = Annotated[SecretStr, Field(max_length=KEY_CHARS_MAX)]
RenditionName = Annotated[
    str,
    StringConstraints(pattern=r"^(source|[0-9]{2,4}p)$"),
    Field(description="`source`, or a height such as `720p`; where there is none, the next smaller one is sent."),
]
State = Literal["waiting", "connecting", "running", "retrying", "ended"]


class NewPull(Body):
    url: Url | None = Field(
        default=None,
        description="rtsp://, rtmp(s)://, srt://, or http(s):// with HLS or a file; left out, the present one stays. "
        "Passwords in it are kept sealed and never shown again.",
    )
    file_id: FileId | None = Field(default=None, description="An uploaded file, instead of a URL.")
    loop: bool = Field(default=False, description="Whether a file is played again and again; else once.")
    enabled: bool = True

    def draft(self) -> PullDraft:
        return PullDraft(self.url.get_secret_value() if self.url else None, self.loop, self.enabled, self.file_id)


class RelayStatusShape(BaseModel):
    """How it is doing now."""

    state: State
    since: datetime | None = Field(description="When it came into this state; null while it waits.")
    error: str = Field(description="What went wrong last, in words; empty when all is well.")
    fps: int
    bitrate_bps: int


class PullStatus(RelayStatusShape):
    video: str
    audio: str
    width: int
    height: int


class PullShape(BaseModel):
    input: InputName
    url: str = Field(description="Without what is secret in it; empty where it is a file.")
    file_id: str | None
    file_name: str | None
    loop: bool
    enabled: bool
    changed_at: datetime
    status: PullStatus


class NewDestination(Body):
    name: Name
    url: Url = Field(description="The platform's server: rtmp(s)://, or srt:// with its port.")
    key: Key = Field(
        default=SecretStr(""), description="The stream key there (SRT: its stream id); empty where the URL holds it."
    )
    rendition: RenditionName = "source"
    enabled: bool = True

    def draft(self) -> DestinationDraft:
        secrets = self.url.get_secret_value(), self.key.get_secret_value()
        return DestinationDraft(self.name, *secrets, self.rendition, self.enabled)


class DestinationPatch(Body):
    """Fields that are left out or null stay as they are; a new URL and a new key come together."""

    name: Name | None = None
    url: Url | None = None
    key: Key | None = None
    rendition: RenditionName | None = None
    enabled: bool | None = None

    def change(self) -> DestinationChange:
        return DestinationChange(
            self.name,
            self.url.get_secret_value() if self.url is not None else None,
            self.key.get_secret_value() if self.key is not None else None,
            self.rendition,
            self.enabled,
        )


class DestinationStatus(RelayStatusShape):
    rendition: str = Field(description="What is sent now.")
    bytes_sent: int
    dropped: int = Field(description="Frames left out because the platform took them too slowly.")


class DestinationShape(BaseModel):
    id: str
    name: str
    url: str = Field(description="Without what is secret in it.")
    rendition: str
    enabled: bool
    created_at: datetime
    status: DestinationStatus


def pull_shape(pull: PullRecord, seen: RelaySeen) -> PullShape:
    return PullShape(
        input=InputName(pull.input),
        url="" if pull.file_id else pull.shown_url,
        file_id=pull.file_id,
        file_name=pull.shown_url if pull.file_id else None,
        loop=pull.loop,
        enabled=pull.enabled,
        changed_at=pull.changed_at,
        status=PullStatus.model_validate(vars(seen)),
    )


def destination_shape(destination: DestinationRecord, seen: RelaySeen) -> DestinationShape:
    return DestinationShape(
        id=destination.id,
        name=destination.name,
        url=destination.shown_url,
        rendition=destination.rendition,
        enabled=destination.enabled,
        created_at=destination.created_at,
        status=DestinationStatus.model_validate(vars(seen)),
    )
