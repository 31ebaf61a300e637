"""The shapes of choosing an input."""

from __future__ import annotations

from pydantic import Field

from skyriver.platform.web.fields import Body
from skyriver.services.live.model import InputSelect


class InputChoice(Body):
    """Which input is to be shown."""

    select: InputSelect = Field(
        description="`auto`: main while it is well, else backup. `main`, `backup`: this one from now on; "
        "while it has no picture, the other one helps out."
    )
