"""Settings of live channels: typed, frozen, checked once at the start of the API process."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skyriver.kernel.errors import InvalidInput
from skyriver.services.live.delivery.addresses import AddressLimits
from skyriver.services.live.intents import Doors

RTMP_PORT_VARIABLE = "SKYRIVER_RTMP_PORT"
VARIABLES = {
    "rtmp_port": RTMP_PORT_VARIABLE,
    "rtmps_port": "SKYRIVER_RTMPS_PORT",
    "srt_port": "SKYRIVER_SRT_PORT",
    "srt_latency_ms": "SKYRIVER_SRT_LATENCY_MS",
    "whip_port": "SKYRIVER_WHIP_PORT",
    "address_connections": "SKYRIVER_DELIVERY_CONNECTIONS_PER_ADDRESS",
    "address_requests_per_s": "SKYRIVER_DELIVERY_REQUESTS_PER_ADDRESS",
}
_DOORS = Doors()
_ADDRESS = AddressLimits()
_WORDS = {  # what it is, and its range
    "srt_latency_ms": ("number of milliseconds", "20 to 8000"),
    "address_connections": ("number of connections", "0 (no limit) to 1000000"),
    "address_requests_per_s": ("number of requests a second", "0 (no limit) to 1000000"),
}


class LiveSettings(BaseModel):
    """What this service is told at its start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rtmp_port: int = Field(default=_DOORS.rtmp_port, ge=0, le=65535, description="TCP port of every station; 0: any.")
    rtmps_port: int = Field(default=_DOORS.rtmps_port, ge=0, le=65535, description="TCP port of RTMP over TLS; 0: any.")
    srt_port: int = Field(default=_DOORS.srt_port, ge=0, le=65535, description="UDP port of every station; 0: any.")
    whip_port: int = Field(
        default=_DOORS.whip_port, ge=0, le=65535, description="TCP and UDP port of WHIP on every station; 0: any."
    )
    srt_latency_ms: int = Field(default=_DOORS.srt_latency_ms, ge=20, le=8000, description="Time for a lost packet.")

    address_connections: int = Field(
        default=_ADDRESS.connections, ge=0, le=1_000_000, description="Of one address at an edge's delivery; 0: any."
    )
    address_requests_per_s: int = Field(
        default=_ADDRESS.requests_per_s, ge=0, le=1_000_000, description="The same, requests a second."
    )

    @property
    def address_limits(self) -> AddressLimits:
        """What one network address may take of an edge's delivery."""
        return AddressLimits(self.address_connections, self.address_requests_per_s)

    @property
    def doors(self) -> Doors:
        """The ports of stations."""
        return Doors(self.rtmp_port, self.rtmps_port, self.srt_port, self.srt_latency_ms, self.whip_port)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> LiveSettings:
        """Settings from `VARIABLES`.

        Raises:
            InvalidInput: one of them is no number, or out of its range.
        """
        given = {field: text for field, name in VARIABLES.items() if (text := environment.get(name))}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
            what, numbers = _WORDS.get(field, ("port", "0 to 65535"))
            hint = f"Use a number from {numbers}."
            raise InvalidInput(f"{VARIABLES[field]}={given[field]!r} is not a {what}.", hint=hint) from error
