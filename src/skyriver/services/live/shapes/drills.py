"""Which stage to kill, and what was killed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from skyriver.platform.web.fields import Body


class DrillOrder(Body):
    stage: Literal["edge", "transcoder", "origin"]
    edge_node_id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")] | None = Field(
        default=None, description="Which edge node; by default the one with most of the channel's viewers."
    )


class Drilled(BaseModel):
    killed: str = Field(description="Id of the workload that was killed.")
    at: datetime
