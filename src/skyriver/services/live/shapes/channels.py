"""The shapes of live channels in the HTTP API: what comes in is checked here, what goes out is made here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from skyriver.platform.web.fields import Body, Name, Slug
from skyriver.services.live.intents import IngestUrls
from skyriver.services.live.media.avc import plays_in_browsers
from skyriver.services.live.model import (
    MAX_BITRATE_BPS,
    MAX_BITRATE_LEAST_BPS,
    MAX_BITRATE_MOST_BPS,
    PROFILES,
    REVERT_AFTER_MAX_S,
    REVERT_AFTER_S,
    SLATE_MINUTES,
    SLATE_MINUTES_MAX,
    ChannelState,
    InputName,
    InputSelect,
    LadderPolicy,
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
LADDER = (
    "Whether measuring the pictures may also lower the renditions' bit rates and leave out those that save nothing"
    " (`adaptive`), or the profile's ladder stays as it is (`fixed`)."
)
LOUDNESS = "Programme loudness that the sound is brought to, in LUFS (EBU R 128); 0 leaves it as it comes."
LoudnessLufs = Annotated[int, AfterValidator(_check_loudness)]
MAX_BITRATE = "What a publisher may send, in bit/s over 5 s; beyond it, it is disconnected with a message."
MaxBitrate = Annotated[int, Field(ge=MAX_BITRATE_LEAST_BPS, le=MAX_BITRATE_MOST_BPS)]

INPUT_REVERT = "Seconds that the main input must be well before it is shown again after the backup; 0: never by itself."
RevertSeconds = Annotated[int, Field(ge=0, le=REVERT_AFTER_MAX_S)]
SLATE = "Minutes that a slate keeps the channel live without any input; 0: no slate, the channel is held for 30 s."
SlateMinutes = Annotated[int, Field(ge=0, le=SLATE_MINUTES_MAX)]


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
    ladder: LadderPolicy = Field(default=LadderPolicy.ADAPTIVE, description=LADDER)
    loudness_lufs: LoudnessLufs = Field(default=0, description=LOUDNESS)
    max_bitrate_bps: MaxBitrate = Field(default=MAX_BITRATE_BPS, description=MAX_BITRATE)
    input_revert_s: RevertSeconds = Field(default=REVERT_AFTER_S, description=INPUT_REVERT)
    slate_minutes: SlateMinutes = Field(default=SLATE_MINUTES, description=SLATE)

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
    ladder: LadderPolicy | None = None
    loudness_lufs: LoudnessLufs | None = None
    max_bitrate_bps: MaxBitrate | None = None
    input_revert_s: RevertSeconds | None = None
    slate_minutes: SlateMinutes | None = None

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


class ChannelIngest(Ingest):
    """The doors of the main input, and those of the backup, which has stream keys of its own."""

    backup: Ingest = Field(description="At another site where there is one, else on another node.")

    @classmethod
    def of_both(cls, urls: Mapping[InputName, IngestUrls | None]) -> ChannelIngest:
        """The doors by input."""
        return cls(**dict(Ingest.of(urls[InputName.MAIN])), backup=Ingest.of(urls[InputName.BACKUP]))


class InputShape(BaseModel):
    """What the publisher sends now. Zeros and empty strings: not known yet."""

    codec: str
    width: int
    height: int
    fps: float
    bitrate_bps: int
    audio: str
    since: datetime


class NamedInputShape(InputShape):
    """One of a channel's inputs that has a publisher."""

    name: InputName
    site: str = Field(description="Where its station is; empty while that is not known.")
    active: bool = Field(description="Whether viewers see this one.")


class RenditionQuality(BaseModel):
    """What the last measurement said: a sample of the show's own pictures, encoded at several qualities and at the
    profile's whole bit rate. SSIM of the luma, 1 for equal pictures. And what was chosen for it."""

    crf: int | None = Field(
        description="Quality that is encoded at (x264's constant rate factor); a smaller one is better. Null: constant "
        "quality would save nothing, and the whole bit rate is spent."
    )
    needs_bps: int = Field(description="What that takes of these pictures.")
    ssim: float
    profile_bps: int = Field(description="The profile's bit rate.")
    profile_ssim: float = Field(description="What the profile's whole bit rate would have given.")
    saved: float = Field(description="Share of the profile's bits that these pictures do not need, 0 to 1.")
    cap_bps: int = Field(description="The most that the rendition may take now.")
    carried_by: str | None = Field(
        default=None, description="The rendition whose pictures are sent in its place, as they need hardly more bits."
    )
    carrier_ssim: float | None = Field(default=None, description="Of that one's pictures, at its size.")
    enlarged_ssim: float | None = Field(default=None, description="Of this one's, enlarged to the same size.")
    withdrawn: bool = Field(description="Whether a choice ended early, because the show turned out to need more.")


class RenditionShape(BaseModel):
    name: str
    width: int
    height: int
    bitrate_bps: int
    quality: RenditionQuality | None = Field(
        default=None, description="Null before the first measurement, and where nothing is measured."
    )


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
    ladder: LadderPolicy = Field(description=LADDER)
    loudness_lufs: int = Field(description=LOUDNESS)
    max_bitrate_bps: int = Field(description=MAX_BITRATE)
    input_select: InputSelect = Field(description="Which input is shown: by itself, or chosen by hand.")
    input_revert_s: int = Field(description=INPUT_REVERT)
    slate_minutes: int = Field(description=SLATE)
    on_slate: bool = Field(description="Whether viewers see the slate now, because no input has a picture.")
    state: ChannelState
    created_at: datetime
    ingest: ChannelIngest
    input: InputShape | None = Field(
        description="The one that viewers see. Null while nobody publishes, also while the channel is held."
    )
    inputs: list[NamedInputShape] = Field(description="The inputs that have a publisher now.")
    viewers: int
    renditions: list[RenditionShape] = Field(
        description="What viewers can choose from: fitted to the source once there is one."
    )


class CreatedChannel(BaseModel):
    channel: ChannelShape
    stream_key: str = Field(description="The first stream key. It is shown this once and cannot be read again.")


class NewStreamKey(Body):
    name: Name = Field(default="spare", description="For people: which encoder has it.")
    input: InputName = Field(default=InputName.MAIN, description="Which of the channel's inputs it publishes to.")


class StreamKeyShape(BaseModel):
    id: str
    name: str
    input: InputName
    srt_encrypted: bool = Field(description="Whether SRT connections with this key must use its passphrase.")
    created_at: datetime


class CreatedStreamKey(StreamKeyShape):
    secret: str = Field(description="The key for the encoder. It is shown this once and cannot be read again.")


def channel_shape(channel: ChannelRecord, seen: Seen, urls: Mapping[InputName, IngestUrls | None]) -> ChannelShape:
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
        ladder=LadderPolicy(channel.ladder),
        loudness_lufs=channel.loudness_lufs,
        max_bitrate_bps=channel.max_bitrate_bps,
        input_select=InputSelect(channel.input_select),
        input_revert_s=channel.input_revert_s or 0,
        slate_minutes=channel.slate_minutes,
        on_slate=seen.on_slate,
        state=seen.state,
        created_at=channel.created_at,
        ingest=ChannelIngest.of_both(urls),
        input=InputShape.model_validate(shape) if (shape := seen.input_shape()) else None,
        inputs=[NamedInputShape.model_validate(shape) for shape in seen.input_shapes()],
        viewers=seen.viewers,
        renditions=_renditions(ProfileName(channel.profile), seen),
    )


def _renditions(profile: ProfileName, seen: Seen) -> list[RenditionShape]:
    ladder = PROFILES[profile].renditions
    source = []
    if seen.input is not None and seen.input.width and seen.input.height:
        ladder = fit_ladder(ladder, seen.input.width, seen.input.height)
        width, height = seen.input.width, seen.input.height
        if plays_in_browsers(seen.input.codec):
            source = [RenditionShape(name="source", width=width, height=height, bitrate_bps=seen.input.bitrate_bps)]
    return source + [
        RenditionShape(
            name=r.name, width=r.width, height=r.height, bitrate_bps=r.bitrate_bps, quality=_quality(r.name, seen)
        )
        for r in ladder
    ]


def _quality(name: str, seen: Seen) -> RenditionQuality | None:
    """As the transcoder reports it; None also for a report of another version."""
    told = next((rendition.get("quality") for rendition in seen.renditions if rendition.get("name") == name), None)
    try:
        return RenditionQuality.model_validate(told) if told else None
    except ValidationError:
        return None


def stream_key_shape(key: StreamKeyRecord) -> StreamKeyShape:
    return StreamKeyShape(
        id=key.id,
        name=key.name,
        input=InputName(key.input),
        srt_encrypted=key.sealed_srt_passphrase is not None,
        created_at=key.created_at,
    )


def created_stream_key(key: StreamKeyRecord, secret: str) -> CreatedStreamKey:
    return CreatedStreamKey(
        id=key.id,
        name=key.name,
        input=InputName(key.input),
        srt_encrypted=key.sealed_srt_passphrase is not None,
        created_at=key.created_at,
        secret=secret,
    )
