"""The shapes of live channels in the HTTP API: what comes in is checked here, what goes out is made here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, BaseModel, Field

from skyriver.platform.web.fields import Body, Name, Slug
from skyriver.services.live.intents import IngestUrls
from skyriver.services.live.media.avc import plays_in_browsers
from skyriver.services.live.model import (
    PROFILES,
    ChannelState,
    ProfileName,
    Takeover,
    fit_ladder,
)
from skyriver.services.live.records import ChannelRecord, StreamKeyRecord
from skyriver.services.live.seen import Seen
from skyriver.services.live.service import ChannelChange, ChannelDraft

IdOrSlug = Annotated[str, Path(pattern=r"^[a-z0-9_-]{1,64}$", description="A channel's id or its slug.")]
SlugInPath = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$")]
KeyId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,64}$", description="A stream key's id.")]


def _check_loudness(lufs: int) -> int:
    if lufs and not -31 <= lufs <= -9:
        raise ValueError("must be 0, or from -31 to -9 LUFS")
    return lufs


STANDBY = "Whether a second transcoder runs along on another core node, where there is one, and takes over at once."
ADAPTIVE_QUALITY = "Whether each rendition's quality is set by measuring the pictures; else it is the same for all."
LOUDNESS = "Programme loudness that the sound is brought to, in LUFS (EBU R 128); 0 leaves it as it comes."
LoudnessLufs = Annotated[int, AfterValidator(_check_loudness)]


class NewChannel(Body):
    name: Name = Field(description="For people.", examples=["Main stage"])
    slug: Slug | None = Field(default=None, description="For addresses; made from the name when it is not given.")
    public: bool = Field(default=False, description="Whether anybody may watch, without signing in.")
    takeover: Takeover = Field(
        default=Takeover.FIRST_WINS, description="What a second publisher does: it is refused, or it takes over."
    )
    profile: ProfileName = Field(default=ProfileName.STANDARD, description="The ladder of renditions below the source.")
    standby: bool = Field(default=True, description=STANDBY)
    adaptive_quality: bool = Field(default=True, description=ADAPTIVE_QUALITY)
    loudness_lufs: LoudnessLufs = Field(default=0, description=LOUDNESS)

    def draft(self) -> ChannelDraft:
        return ChannelDraft(**dict(self))


class ChannelPatch(Body):
    """Fields that are left out or null stay as they are."""

    name: Name | None = None
    slug: Slug | None = None
    public: bool | None = None
    takeover: Takeover | None = None
    profile: ProfileName | None = None
    standby: bool | None = None
    adaptive_quality: bool | None = None
    loudness_lufs: LoudnessLufs | None = None

    def change(self) -> ChannelChange:
        return ChannelChange(**dict(self))


class Ingest(BaseModel):
    """Where encoders push to; null while no core node has joined, or where that door is shut on the channel's node."""

    rtmp_url: str | None = Field(description="The server for the encoder; the stream key goes into its key field.")
    rtmps_url: str | None = Field(description="The same over TLS.")
    whip_url: str | None = Field(description="For WebRTC by WHIP, with the stream key as bearer token.")
    srt_url: str | None = Field(description="For SRT: add `?streamid=KEY`, and `&passphrase=…` if the key has one.")

    @classmethod
    def of(cls, urls: IngestUrls | None) -> Ingest:
        """Nothing while there is no core node."""
        if urls is None:
            return cls(rtmp_url=None, rtmps_url=None, srt_url=None, whip_url=None)
        return cls(rtmp_url=urls.rtmp, rtmps_url=urls.rtmps, srt_url=urls.srt, whip_url=urls.whip)


class InputShape(BaseModel):
    """What the publisher sends now. Zeros and empty strings: not known yet."""

    codec: str
    width: int
    height: int
    fps: float
    bitrate_bps: int
    audio: str
    since: datetime


class RenditionShape(BaseModel):
    name: str
    width: int
    height: int
    bitrate_bps: int


class ChannelShape(BaseModel):
    id: str
    tenant_id: str
    name: str
    slug: str
    public: bool
    takeover: Takeover
    profile: ProfileName
    standby: bool = Field(description=STANDBY)
    adaptive_quality: bool = Field(description=ADAPTIVE_QUALITY)
    loudness_lufs: int = Field(description=LOUDNESS)
    state: ChannelState
    created_at: datetime
    ingest: Ingest
    input: InputShape | None = Field(description="Null while nobody publishes, also while the channel is held.")
    viewers: int
    renditions: list[RenditionShape] = Field(
        description="What viewers can choose from: fitted to the source once there is one."
    )


class CreatedChannel(BaseModel):
    channel: ChannelShape
    stream_key: str = Field(description="The first stream key. It is shown this once and cannot be read again.")


class NewStreamKey(Body):
    name: Name = Field(default="spare", description="For people: which encoder has it.")


class StreamKeyShape(BaseModel):
    id: str
    name: str
    created_at: datetime


class CreatedStreamKey(StreamKeyShape):
    secret: str = Field(description="The key for the encoder. It is shown this once and cannot be read again.")


def channel_shape(channel: ChannelRecord, seen: Seen, urls: IngestUrls | None) -> ChannelShape:
    """A channel as the API shows it: what its tenant wants, and what is seen of it."""
    return ChannelShape(
        id=channel.id,
        tenant_id=channel.tenant_id,
        name=channel.name,
        slug=channel.slug,
        public=channel.public,
        takeover=Takeover(channel.takeover),
        profile=ProfileName(channel.profile),
        standby=channel.standby,
        adaptive_quality=channel.adaptive_quality,
        loudness_lufs=channel.loudness_lufs,
        state=seen.state,
        created_at=channel.created_at,
        ingest=Ingest.of(urls),
        input=InputShape.model_validate(shape) if (shape := seen.input_shape()) else None,
        viewers=seen.viewers,
        renditions=_renditions(ProfileName(channel.profile), seen),
    )


def _renditions(profile: ProfileName, seen: Seen) -> list[RenditionShape]:
    ladder = PROFILES[profile].renditions
    source = []
    if seen.input is not None and seen.input.width and seen.input.height:
        ladder = fit_ladder(ladder, seen.input.width, seen.input.height)
        size = {"width": seen.input.width, "height": seen.input.height}
        if plays_in_browsers(seen.input.codec):
            source = [RenditionShape(name="source", **size, bitrate_bps=seen.input.bitrate_bps)]
    return source + [RenditionShape(**vars(rendition)) for rendition in ladder]


def stream_key_shape(key: StreamKeyRecord) -> StreamKeyShape:
    return StreamKeyShape(id=key.id, name=key.name, created_at=key.created_at)


def created_stream_key(key: StreamKeyRecord, secret: str) -> CreatedStreamKey:
    return CreatedStreamKey(id=key.id, name=key.name, created_at=key.created_at, secret=secret)
