"""What a viewer says, and the ticket it gets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from skyriver.platform.web.fields import Body
from skyriver.services.live.model import ChannelState


class Watcher(Body):
    """What a viewer tells of itself, all optional, so that it is sent to a good edge."""

    viewer: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = Field(
        default=None, description="Any text of the viewer's own: tickets asked for with the same text rank edges alike."
    )
    region: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None


class EdgeShape(BaseModel):
    node_id: str
    site: str
    region: str
    url: str
    certificate_sha256: list[str] = Field(description="For WebTransport's serverCertificateHashes, hex.")
    rank: int = Field(description="0 is tried first.")
    reason: str


class HlsShape(BaseModel):
    """One node that delivers over HTTP. Segments have the same names on every node."""

    node_id: str
    url: str = Field(description="The multivariant playlist; the grant is in its path.")
    dash_url: str = Field(description="The DASH manifest of the same segments.")
    ll: bool = Field(description="Whether playlists list parts (LL-HLS).")


class WatchTicket(BaseModel):
    """Connect to `{edge.url}/{space}?jwt={grant}` and subscribe to the broadcast."""

    channel_id: str
    space: str
    broadcast: Literal["live"] = "live"
    grant: str
    expires_at: datetime
    state: ChannelState
    edges: list[EdgeShape]
    hls: list[HlsShape] = Field(description="Best first; empty where nothing is delivered over HTTP.")
    whep_url: str | None = Field(
        description="For WebRTC players by WHEP, with the grant as bearer token; null without."
    )
    catalog: dict[str, Any] | None = Field(
        description="What the broadcast's catalog said last, so that a player need not wait for it; null while offline."
    )
    latency_target_ms: int
    dvr_url: str | None = Field(
        description="Where a POST opens the past of the running show; null where viewers may not go back."
    )
    beacon_token: str = Field(description="For POST /v1/public/beacons: how the viewing is going.")
