"""Settings of live channels: typed, frozen, checked once at the start of the API process."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skyriver.kernel.errors import InvalidInput
from skyriver.services.live.intents import DEFAULT_RTMP_PORT

RTMP_PORT_VARIABLE = "SKYRIVER_RTMP_PORT"


class LiveSettings(BaseModel):
    """What this service is told at its start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rtmp_port: int = Field(default=DEFAULT_RTMP_PORT, ge=0, le=65535, description="TCP port of every station; 0: any.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> LiveSettings:
        """Settings from `SKYRIVER_RTMP_PORT`.

        Raises:
            InvalidInput: it is not a port.
        """
        text = environment.get(RTMP_PORT_VARIABLE)
        try:
            return cls() if not text else cls.model_validate({"rtmp_port": text})
        except ValidationError as error:
            raise InvalidInput(
                f"{RTMP_PORT_VARIABLE}={text!r} is not a TCP port.", hint="Use a number from 0 to 65535, e.g. 1935."
            ) from error
