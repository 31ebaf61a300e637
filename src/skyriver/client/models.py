"""What the API answers, as frozen models. Fields that a newer server adds are ignored, so that old clients live on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """The root of every model."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Health(Answer):
    status: str
    version: str = ""


class Rendition(Answer):
    """One rung of a channel's ladder."""

    name: str
    width: int | None = None
    height: int | None = None
    bitrate_bps: int | None = None


class Ingest(Answer):
    """Where a publisher pushes to; the stream key goes beside it. None: that door is shut on the channel's node."""

    rtmp_url: str | None = None
    rtmps_url: str | None = None
    srt_url: str | None = None
    whip_url: str | None = None


class ChannelIngest(Ingest):
    """The doors of the main input, and those of the backup."""

    backup: Ingest = Ingest()


class Input(Answer):
    """What arrives at the station right now."""

    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    bitrate_bps: float | None = None
    audio: Any = None
    since: datetime | None = None


class NamedInput(Input):
    """One of a channel's inputs that has a publisher."""

    name: str
    site: str = ""
    active: bool = False


class Channel(Answer):
    id: str
    tenant_id: str
    name: str
    slug: str
    public: bool = False
    takeover: str = "first_wins"
    profile: Any = None
    state: str = "offline"
    created_at: datetime | None = None
    ingest: ChannelIngest = ChannelIngest()
    input: Input | None = None
    inputs: tuple[NamedInput, ...] = ()
    input_select: str = "auto"
    on_slate: bool = False
    viewers: int = 0
    renditions: tuple[Rendition, ...] = ()


class CaptionTrack(Answer):
    """A language that a channel has captions in."""

    language: str
    label: str = ""


class Cue(Answer):
    """A caption that was sent; send the same `start` again to correct it."""

    language: str
    text: str
    start: datetime
    end: datetime


class ChannelCreated(Answer):
    """A new channel and its first stream key, which is never shown again."""

    channel: Channel
    stream_key: str


class StreamKey(Answer):
    """A publisher's credential; `secret` only in the answer that made it."""

    id: str
    name: str = ""
    input: str = "main"
    created_at: datetime | None = None
    secret: str | None = None


class RelayStatus(Answer):
    """How a pull or a push is doing; `error` is empty when all is well."""

    state: str = "waiting"
    since: datetime | None = None
    error: str = ""
    fps: float = 0
    bitrate_bps: float = 0


class Pull(Answer):
    """Where an input is pulled from: a URL (here without its secrets), or an uploaded file."""

    input: str = "main"
    url: str = ""
    file_id: str | None = None
    file_name: str | None = None
    loop: bool = False
    enabled: bool = True
    status: RelayStatus = RelayStatus()


class MediaFile(Answer):
    """An uploaded film."""

    id: str
    name: str = ""
    size_bytes: int = 0
    sha256: str = ""
    duration_ms: int = 0
    video: str = ""
    audio: str = ""
    width: int = 0
    height: int = 0
    pull_obstacle: str = ""
    slate_obstacle: str = ""


class Destination(Answer):
    """Another platform that gets the channel while it is live; `url` is without its secrets."""

    id: str
    name: str = ""
    url: str = ""
    rendition: str = "source"
    enabled: bool = True
    status: RelayStatus = RelayStatus()


class Edge(Answer):
    """One relay a viewer may use, best first by `rank`."""

    node_id: str
    url: str
    certificate_sha256: tuple[str, ...] = ()
    site: str = ""
    region: str | None = None
    rank: int = 0
    reason: str = ""


class WatchTicket(Answer):
    """A viewer's right to watch one channel until `expires_at`, and the ranked relays to watch it from."""

    channel_id: str
    space: str
    broadcast: str = "live"
    grant: str
    expires_at: datetime
    state: str = ""
    edges: tuple[Edge, ...]
    latency_target_ms: int = 500


class Drill(Answer):
    """A workload that was killed on purpose, and when (the server's UTC clock)."""

    killed: str
    at: datetime


class RunbookLine(Answer):
    """One stage of a channel: what carries it, and what may happen when it dies."""

    stage: str
    running: bool
    protected: bool
    goal_ms: int
    may_kill: bool
    site: str | None = None


class Runbook(Answer):
    """Every stage of a channel."""

    stages: tuple[RunbookLine, ...]


class Site(Answer):
    id: str
    slug: str
    name: str
    region: str = ""
    role: str = ""
    latitude: float | None = None
    longitude: float | None = None


class Node(Answer):
    """One machine, as its heartbeats show it: `cpu` in cores in use, memory in use and in all."""

    id: str
    name: str
    site_id: str = ""
    site: str = ""
    role: str = ""
    state: str = "unknown"
    draining: bool = False
    address: str = ""
    cores: float = 0.0
    cpu: float = 0.0
    memory_bytes: int = 0
    memory_total_bytes: int = 0
    viewers: int = 0
    egress_bps: float = 0.0


class JoinToken(Answer):
    token: str
    expires_at: datetime | None = None


class User(Answer):
    id: str
    email: str
    name: str | None = None
    role: str = "viewer"
    created_at: datetime | None = None


class Tenant(Answer):
    id: str
    slug: str
    name: str
    is_operator: bool = False
    created_at: datetime | None = None


class TenantCreated(Answer):
    """A new tenant, its first owner, and that owner's password, which is never shown again."""

    tenant: Tenant
    owner: User
    owner_password: str


class ApiKey(Answer):
    id: str
    name: str | None = None
    role: str | None = None
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    secret: str | None = None


class Workload(Answer):
    """One running (or failed) child process on a node."""

    id: str
    kind: str
    name: str | None = None
    node_id: str | None = None
    state: str = "unknown"
    pid: int | None = None
    restarts: int = 0
    channel_id: str | None = None


class AlarmSubject(Answer):
    kind: str
    id: str
    name: str = ""


class Alarm(Answer):
    """Something that is wrong, or was: `cleared_at` is null while it is open."""

    id: str
    kind: str
    severity: str
    subject: AlarmSubject
    message: str
    hint: str = ""
    count: int = 1
    raised_at: datetime
    last_seen_at: datetime | None = None
    cleared_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None


class Webhook(Answer):
    """Where a tenant's events go; `secret` only in the answer that made it."""

    id: str
    name: str
    url: str
    event_types: tuple[str, ...] = ()
    enabled: bool = True
    disabled_reason: str = ""
    failures: int = 0
    secret: str | None = None


class WebhookEvent(Answer):
    name: str
    meaning: str = ""


class WebhookDelivery(Answer):
    """One event on its way to one webhook: pending, delivered or dead."""

    id: str
    event_id: str
    event_type: str
    state: str
    attempts: int = 0
    created_at: datetime | None = None
    last_status: int | None = None
    last_error: str = ""


class Overview(Answer):
    """The cloud at a glance; what an operator's and a tenant's differ in stays a plain mapping."""

    sites: list[dict[str, Any]] = Field(default_factory=list)
    channels: list[dict[str, Any]] = Field(default_factory=list)
    totals: dict[str, Any] = Field(default_factory=dict)


class Gap(Answer):
    """A stretch that was not recorded."""

    start: datetime
    end: datetime


class Recording(Answer):
    """A show as it was recorded, or a clip."""

    id: str
    channel_id: str
    name: str
    kind: str
    state: str
    start: datetime
    end: datetime | None = None
    duration_ms: int = 0
    size_bytes: int = 0
    gaps: list[Gap] = Field(default_factory=list)


class RecordingSettings(Answer):
    """How a channel is recorded."""

    enabled: bool
    retention_days: int
    dvr_minutes: int
    renditions: str
