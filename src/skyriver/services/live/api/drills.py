"""The runbook of a channel, and killing on purpose, over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from skyriver.kernel.clock import utc_now
from skyriver.platform.identity import record_audit
from skyriver.platform.web import Admin, Caller, Reader, RuntimeDep, problems
from skyriver.services.live.api.channel_access import LiveDep, own_channel
from skyriver.services.live.drill import choose_victim, runbook
from skyriver.services.live.shapes.channels import IdOrSlug
from skyriver.services.live.shapes.drills import Drilled, DrillOrder, Runbook, stage_shape

router = APIRouter(prefix="/v1", tags=["live"])


@router.get("/channels/{id_or_slug}/runbook", responses=problems(404))
async def show_runbook(id_or_slug: IdOrSlug, caller: Caller, session: Reader, live: LiveDep) -> Runbook:
    """What carries each stage of a channel now, whether somebody would take over, and how long that may take."""
    channel = await own_channel(session, caller, id_or_slug)
    observed = live.cloud.observed
    views = runbook(channel, live.seen(channel.id), observed)
    return Runbook(stages=[stage_shape(view, caller, observed) for view in views])


@router.post("/channels/{id_or_slug}/drill", responses=problems(403, 404, 409, 503))
async def drill_channel(
    id_or_slug: IdOrSlug, body: DrillOrder, caller: Admin, runtime: RuntimeDep, live: LiveDep
) -> Drilled:
    """Kill a real workload of a running show, to see its viewers go on. What others share: operators only."""
    async with runtime.store.transaction() as session:  # closed before the kill: nothing waits inside a transaction
        channel = await own_channel(session, caller, id_or_slug)
        seen = live.seen(channel.id)
        victim = choose_victim(caller, channel, body.stage, seen, live.cloud.observed, body.edge_node_id)
        record_audit(session, caller, "channel.drilled", channel.id, stage=body.stage.value, workload_id=victim.id)
    at = utc_now()
    await live.cloud.kill(victim.id)
    return Drilled(killed=victim.id, at=at)
