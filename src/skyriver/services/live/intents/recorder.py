"""A recorder for each recording that is open, or has to be finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.workloads.model import ObservedState, WorkloadIntent
from skyriver.services.live.model import BROADCAST, space_of
from skyriver.services.live.records import RecordingRecord
from skyriver.services.live.records.recordings import RecordingSettingsRecord

RECORDER = "live.recorder"
_RECORDER_CORES = 0.06  # measured: two renditions, the source and AAC of a 720p channel


LEAVE_WITHIN_S = 86_400
"""How long a node that records no longer keeps what its object store has not taken yet, and tries to bring it there."""


@dataclass(frozen=True)
class RecordingPlan:
    """What planning needs to know of one recording."""

    recording_id: str
    channel_id: str
    tenant_id: str
    top_only: bool
    finish: bool


def recorder_name(recording_id: str) -> str:
    return f"{RECORDER}/{recording_id}"


async def read_recordings(session: AsyncSession) -> list[RecordingPlan]:
    """Every recording that needs a recorder."""
    query = (
        select(RecordingRecord, RecordingSettingsRecord.renditions)
        .outerjoin(RecordingSettingsRecord, RecordingSettingsRecord.channel_id == RecordingRecord.channel_id)
        .where(RecordingRecord.kind == "show", RecordingRecord.state.in_(("recording", "finishing")))
        .order_by(RecordingRecord.id)
    )
    return [
        RecordingPlan(
            recording_id=row.id,
            channel_id=row.channel_id,
            tenant_id=row.tenant_id,
            top_only=renditions == "top",
            finish=row.state == "finishing",
        )
        for row, renditions in await session.execute(query)
    ]


def recorder_intents(
    recordings: Sequence[RecordingPlan], observed: ObservedState, *, store_url: str
) -> list[WorkloadIntent]:
    """One recorder for each. It runs where origins are; where it ran before, its journals are."""
    return [_intent(recording, observed, store_url) for recording in recordings]


def _intent(recording: RecordingPlan, observed: ObservedState, store_url: str) -> WorkloadIntent:
    name = recorder_name(recording.recording_id)
    space = space_of(recording.channel_id)
    spec = {
        "recording_id": recording.recording_id,
        "channel_id": recording.channel_id,
        "tenant_id": recording.tenant_id,
        "space": space,
        "grant": observed.service_grant(name, space, tenant_id=recording.tenant_id, put=(), get=(BROADCAST,)),
        "origins": [origin.spec() for origin in observed.origins()],
        "store": store_url,
        "renditions": "top" if recording.top_only else "all",
        "finish": recording.finish,
        "leave_within_s": LEAVE_WITHIN_S,
    }
    return WorkloadIntent(
        name,
        RECORDER,
        spec,
        tenant_id=recording.tenant_id,
        space=space,
        site_role="core",
        cpu_cores=_RECORDER_CORES,
    )
