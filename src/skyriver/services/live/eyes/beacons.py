"""What players tell of a viewing: checked, and bound to the ticket that the viewing was allowed by.

Anybody can send a beacon, so it can be a lie; the token sees to it that a lie stays within the channel that its
sender may watch, and the bounds see to it that one lie weighs little.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from skyriver.kernel.clock import Monotonic, monotonic_s
from skyriver.kernel.errors import NotAllowed, TooMany
from skyriver.kernel.ids import is_id
from skyriver.services.live.allowance import Allowance

TOKEN_GRACE = timedelta(minutes=10)
"""After the ticket's end: the last beacon of a viewing comes after it."""
MAC_BYTES = 16
BEACON_KEY = "live beacons"
"""What the key of all tokens is derived for."""
BODY_BYTES_MAX = 4096

Protocol = Literal["moq", "ll-hls", "hls", "dash", "whep", "other"]
PROTOCOLS: tuple[Protocol, ...] = ("moq", "ll-hls", "hls", "dash", "whep", "other")
MINUTE_MS = 60_000
Count = Annotated[int, Field(ge=0, le=1000)]
Span = Annotated[int, Field(ge=0, le=5 * MINUTE_MS)]


class BadBeaconToken(NotAllowed):
    code = "bad_beacon_token"

    def __init__(self) -> None:
        super().__init__("The beacon's token is unknown or too old.", hint="Send the one of a fresh watch ticket.")


class BeaconsTooOften(TooMany):
    code = "beacons_too_often"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            "Too many beacons came from this address.",
            hint="One each half minute and viewing is enough.",
            retry_after_s=retry_after_s,
        )


class BeaconAllowance(Allowance):
    """How often one address may send beacons: an office of two hundred viewers behind one address sends seven a
    second."""

    def __init__(self, *, now: Monotonic = monotonic_s) -> None:
        super().__init__(burst=600, per_s=20.0, refusal=BeaconsTooOften, now=now)


class Beacon(BaseModel):
    """What has come about since the viewing's last beacon."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    token: Annotated[str, StringConstraints(max_length=120)] = Field(description="Of the watch ticket.")
    first: bool = Field(default=False, description="Whether this is the viewing's first beacon.")
    protocol: Protocol = "other"
    rendition: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{0,32}$")] = ""
    edge_node_id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{0,64}$")] = ""
    startup_ms: Annotated[int, Field(ge=0, le=10 * MINUTE_MS)] | None = Field(
        default=None, description="Once, when the first picture was painted."
    )
    latency_ms: Annotated[int, Field(ge=0, le=60 * MINUTE_MS)] | None = Field(
        default=None, description="Now, from camera to screen as far as clocks allow; null while nothing plays."
    )
    watched_ms: Span = 0
    rebuffers: Count = 0
    rebuffer_ms: Span = 0
    switches: Count = Field(default=0, description="Changes of the edge.")
    errors: Count = 0


class BeaconTokens:
    """Makes and checks beacon tokens: `<channel id>.<end, Unix seconds>.<MAC>`, HMAC-SHA256 cut to 128 bits."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, channel_id: str, expires_at: datetime) -> str:
        said = f"{channel_id}.{int((expires_at + TOKEN_GRACE).timestamp())}"
        return f"{said}.{self._mac(said)}"

    def channel_of(self, token: str, now: datetime) -> str:
        """The channel a token was made for.

        Raises:
            BadBeaconToken: it was not made here, or is too old.
        """
        said, _, mac = token.rpartition(".")
        channel_id, _, end = said.partition(".")
        made_here = hmac.compare_digest(mac.encode(), self._mac(said).encode())
        if not made_here or not is_id(channel_id) or not end.isdecimal() or int(end) < now.timestamp():
            raise BadBeaconToken
        return channel_id

    def _mac(self, said: str) -> str:
        digest = hmac.new(self._key, said.encode(), hashlib.sha256).digest()[:MAC_BYTES]
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
