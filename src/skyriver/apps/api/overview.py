"""GET /v1/overview: everything at a glance. Here, because it puts the platform and the services together.

Operators get the whole cloud, everybody else their own tenant's part of it. The same numbers come once a second as
`overview` and `channel` events.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.identity import Principal
from skyriver.platform.manifest import Part
from skyriver.platform.web import Caller, Provided, Reader, Runtime, RuntimeDep
from skyriver.platform.workloads.api import NodeView
from skyriver.platform.workloads.cluster import Cluster
from skyriver.services.live import service
from skyriver.services.live.model import ChannelState
from skyriver.services.live.observe import Live
from skyriver.services.live.records import ChannelRecord

router = APIRouter(prefix="/v1", tags=["overview"])


class SiteLine(BaseModel):
    """One place with its machines."""

    id: str
    slug: str
    name: str
    region: str
    role: str
    latitude: float | None
    longitude: float | None
    nodes: list[NodeView]


class ChannelLine(BaseModel):
    """One of the caller's channels."""

    id: str
    slug: str
    name: str
    state: ChannelState
    viewers: int
    ingress_bps: int
    egress_bps: int


class Totals(BaseModel):
    """Sums over the cloud for operators, over the tenant's channels for everybody else."""

    viewers: int = 0
    egress_bps: float = 0
    ingress_bps: float = 0
    channels_live: int = 0


class Overview(BaseModel):
    """The cloud, or a tenant's part of it."""

    sites: list[SiteLine] = Field(description="Empty for everybody but operators.")
    channels: list[ChannelLine] = Field(description="The caller's own.")
    totals: Totals


@router.get("/overview")
async def show_overview(
    caller: Caller, session: Reader, runtime: RuntimeDep, live: Annotated[Live, Provided(Live)]
) -> Overview:
    """Everything at a glance: sites, nodes and workloads for operators, and the caller's own channels."""
    channels = await _channels(session, caller, live)
    if caller.is_operator:
        return _whole_cloud(runtime, channels)
    totals = Totals(
        viewers=sum(line.viewers for line in channels),
        egress_bps=sum(line.egress_bps for line in channels),
        ingress_bps=sum(line.ingress_bps for line in channels),
        channels_live=sum(line.state is ChannelState.LIVE for line in channels),
    )
    return Overview(sites=[], channels=channels, totals=totals)


def _whole_cloud(runtime: Runtime, channels: list[ChannelLine]) -> Overview:
    if not runtime.settings.bus_url:  # a process without machines
        return Overview(sites=[], channels=channels, totals=Totals())
    seen = runtime.get(Cluster).overview()
    return Overview.model_validate({**seen, "channels": channels})


async def _channels(session: AsyncSession, caller: Principal, live: Live) -> list[ChannelLine]:
    rows = (await session.scalars(service.channels_of(caller).order_by(ChannelRecord.id))).all()
    lines = []
    for row in rows:
        seen = live.seen(row.id)
        lines.append(
            ChannelLine(
                id=row.id,
                slug=row.slug,
                name=row.name,
                state=seen.state,
                viewers=seen.viewers,
                ingress_bps=seen.input.bitrate_bps if seen.input else 0,
                egress_bps=seen.egress_bps,
            )
        )
    return lines


PART = Part("overview", routers=(router,))
