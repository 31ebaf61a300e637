"""Settings of webhooks: typed, frozen, checked once at the start of the API process."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from skyriver.kernel.errors import InvalidInput

ALLOW_PRIVATE_VARIABLE = "SKYRIVER_WEBHOOKS_ALLOW_PRIVATE"


class WebhookSettings(BaseModel):
    """What the operator decides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_private: bool = Field(
        default=False, description="Whether webhooks may call addresses in private networks and this machine's own."
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> WebhookSettings:
        """Settings from `SKYRIVER_WEBHOOKS_ALLOW_PRIVATE`.

        Raises:
            InvalidInput: it is neither yes nor no.
        """
        text = environment.get(ALLOW_PRIVATE_VARIABLE)
        try:
            return cls() if not text else cls.model_validate({"allow_private": text})
        except ValidationError as error:
            raise InvalidInput(f"{ALLOW_PRIVATE_VARIABLE}={text!r} is neither 1 nor 0.") from error
