"""The runbook: what carries each stage; which one to kill, and what was killed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from skyriver.platform.identity import Principal
from skyriver.platform.web.fields import Body
from skyriver.platform.workloads.model import ObservedState
from skyriver.services.live.drill import Stage, StageView, may_drill


class DrillOrder(Body):
    stage: Stage
    edge_node_id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")] | None = Field(
        default=None,
        description="Of which node, for `edge` and `delivery`; by default the one with most of the channel's viewers.",
    )


class Drilled(BaseModel):
    killed: str = Field(description="Id of the workload that was killed.")
    at: datetime


class StageShape(BaseModel):
    stage: Stage
    running: bool = Field(description="Whether anything of this stage serves the channel now.")
    protected: bool = Field(description="Whether somebody else takes over at once; else its process starts again.")
    goal_ms: int = Field(description="The longest gap that a viewer (for the recorder: the recording) may have.")
    may_kill: bool = Field(description="Whether you may kill it: stages that others share are the operator's.")
    site: str | None = Field(description="Where it runs; only for what you may kill.")


class Runbook(BaseModel):
    stages: list[StageShape]


def stage_shape(view: StageView, caller: Principal, observed: ObservedState) -> StageShape:
    """A line as this caller may see it."""
    allowed = may_drill(caller, view.stage)
    node = observed.node(view.victim.node_id) if view.victim is not None and allowed else None
    return StageShape(
        stage=view.stage,
        running=view.victim is not None,
        protected=view.protected,
        goal_ms=view.goal_ms,
        may_kill=allowed,
        site=node.site_slug if node else None,
    )
