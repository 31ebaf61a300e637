"""Settings of live channels: typed, frozen, checked once at the start of the API process."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skyriver.kernel.errors import InvalidInput
from skyriver.services.live.intents import Doors

RTMP_PORT_VARIABLE = "SKYRIVER_RTMP_PORT"
VARIABLES = {
    "rtmp_port": RTMP_PORT_VARIABLE,
    "rtmps_port": "SKYRIVER_RTMPS_PORT",
    "srt_port": "SKYRIVER_SRT_PORT",
    "srt_latency_ms": "SKYRIVER_SRT_LATENCY_MS",
    "whip_port": "SKYRIVER_WHIP_PORT",
}
_DOORS = Doors()


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
            hint = "Use a number from 20 to 8000." if field == "srt_latency_ms" else "Use a number from 0 to 65535."
            what = "number of milliseconds" if field == "srt_latency_ms" else "port"
            raise InvalidInput(f"{VARIABLES[field]}={given[field]!r} is not a {what}.", hint=hint) from error
