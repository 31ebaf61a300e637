"""What is seen of a channel, how it is for its viewers, what counts as wrong on it, and the beacons of players."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, ValidationError

from skyriver.kernel.errors import InvalidInput
from skyriver.platform.identity import record_audit
from skyriver.platform.web import Caller, Member, Provided, Reader, RuntimeDep, Writer, problems
from skyriver.services.live.api.channel_access import Grants, LiveDep, own_channel
from skyriver.services.live.eyes.beacons import BEACON_KEY, BODY_BYTES_MAX, Beacon, BeaconAllowance, BeaconTokens
from skyriver.services.live.eyes.rollup import QoeQuery, QoeRollup, minute_of, read_qoe
from skyriver.services.live.eyes.sight import channel_sight, site_of
from skyriver.services.live.eyes.watching import detector_reports
from skyriver.services.live.media.detectors import DetectorSettings
from skyriver.services.live.records import DetectorSettingsRecord
from skyriver.services.live.shapes.channels import IdOrSlug
from skyriver.services.live.shapes.eyes import ChannelSight, DetectorsShape, Qoe, detectors_shape, qoe_shape

router = APIRouter(prefix="/v1", tags=["live"])

Beacons = Annotated[BeaconAllowance, Provided(BeaconAllowance)]
Rollup = Annotated[QoeRollup, Provided(QoeRollup)]
QOE_SPAN = timedelta(hours=1)
QOE_SPAN_MAX = timedelta(days=31)
POINTS_MAX = 240

BEACON_SCHEMA = {
    "requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}},
}


@router.get("/channels/{id_or_slug}/sight", responses=problems(404))
async def show_channel_sight(
    id_or_slug: IdOrSlug, caller: Caller, session: Reader, live: LiveDep, runtime: RuntimeDep
) -> ChannelSight:
    """What is seen now: inputs, sound, detectors, each stage's delay, and how viewers watch."""
    channel = await own_channel(session, caller, id_or_slug)
    now = runtime.now()
    since = minute_of(now) - timedelta(minutes=1)  # the last minute that is whole
    recent = await read_qoe(session, QoeQuery(channel.id, since, since + timedelta(minutes=1), timedelta(minutes=1)))
    report = detector_reports(live.cloud.observed).get(channel.id, {})
    return channel_sight(channel.id, live.seen(channel.id), live.cloud.observed, report, recent)


@router.get("/channels/{id_or_slug}/qoe", responses=problems(404))
async def read_channel_qoe(
    id_or_slug: IdOrSlug,
    caller: Caller,
    session: Reader,
    runtime: RuntimeDep,
    since: Annotated[AwareDatetime | None, Query(description="Default: an hour before `until`.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Default: now.")] = None,
) -> Qoe:
    """How it was for viewers, as their players told it; by minute, in longer steps where there are too many."""
    channel = await own_channel(session, caller, id_or_slug)
    end = until or runtime.now()
    start, end, step = _steps(since, end)
    return qoe_shape(await read_qoe(session, QoeQuery(channel.id, start, end, step)), start, end, step)


def _steps(since: datetime | None, until: datetime) -> tuple[datetime, datetime, timedelta]:
    """Whole minutes, and a step that makes at most `POINTS_MAX` points."""
    try:
        end = minute_of(until) + timedelta(minutes=1)
        start = minute_of(since or until - QOE_SPAN)
    except OverflowError as error:
        raise InvalidInput("A time lies outside of what can be told.", hint="Use times near the present.") from error
    if not timedelta(0) < end - start <= QOE_SPAN_MAX:
        raise InvalidInput(
            "`since` must lie before `until`, by 31 days at most.", hint="Ask for a month at a time, or exchange them."
        )
    minutes = -(-int((end - start).total_seconds()) // 60 // POINTS_MAX)
    return start, end, timedelta(minutes=max(1, minutes))


@router.get("/channels/{id_or_slug}/detectors", responses=problems(404))
async def show_detectors(id_or_slug: IdOrSlug, caller: Caller, session: Reader) -> DetectorsShape:
    """What counts as wrong on this channel."""
    channel = await own_channel(session, caller, id_or_slug)
    row = await session.get(DetectorSettingsRecord, channel.id)
    return detectors_shape(DetectorSettings.parse(row.settings if row else {}))


@router.put("/channels/{id_or_slug}/detectors", responses=problems(404))
async def set_detectors(
    id_or_slug: IdOrSlug, body: DetectorsShape, caller: Member, session: Writer, live: LiveDep
) -> DetectorsShape:
    """Say what counts as wrong on this channel; what is left out goes back to its default. A running show goes on."""
    channel = await own_channel(session, caller, id_or_slug)
    differing = body.settings().differing()
    row = await session.get(DetectorSettingsRecord, channel.id)
    if row is None:
        session.add(DetectorSettingsRecord(channel_id=channel.id, settings=differing))
    else:
        row.settings = differing
    await session.flush()
    record_audit(session, caller, "channel.detectors_set", channel.id, **differing)
    live.plan_after_commit(session)
    return body


@router.post("/public/beacons", status_code=204, responses=problems(403, 413, 422, 429), openapi_extra=BEACON_SCHEMA)
async def take_beacon(
    request: Request, live: LiveDep, grants: Grants, rollup: Rollup, allowance: Beacons, runtime: RuntimeDep
) -> Response:
    """How a viewing is going, told by its player every half minute and at its end, as JSON of the shape `Beacon`.

    Needs no credential but the ticket's `beacon_token`. Sent as text/plain, which a browser may send from any page
    and while it is being closed (`navigator.sendBeacon`).
    """
    allowance.take(request.client.host if request.client else "")
    body = await request.body()
    if len(body) > BODY_BYTES_MAX:
        raise InvalidInput(f"A beacon has {BODY_BYTES_MAX} bytes at most.", hint="Send what is in its schema only.")
    try:
        beacon = Beacon.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise InvalidInput(f"The beacon cannot be read: {where}: {first['msg']}.", code="bad_beacon") from error
    channel_id = BeaconTokens(grants.derive_key(BEACON_KEY)).channel_of(beacon.token, runtime.now())
    site, region = site_of(live.cloud.observed, beacon.edge_node_id)
    rollup.take(channel_id, beacon, site=site, region=region)
    return Response(status_code=204)
