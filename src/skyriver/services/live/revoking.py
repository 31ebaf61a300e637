"""Ending what viewers of a channel were given: tickets, links, and the way back in its running show."""

from __future__ import annotations

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.platform.fabric_keys import revoke_space
from skyriver.services.live.model import space_of
from skyriver.services.live.recordings.model import GRANT_LIFETIME, RecordingState, vod_space
from skyriver.services.live.records import RecordingRecord

SHOWS_MAX = 200
"""Of one channel within the life of a grant: two minutes apart."""


async def revoke_watching(session: AsyncSession, channel_id: str, reason: str) -> None:
    """Every grant until now to watch the channel, live or back in a show that runs or ran not long ago."""
    await revoke_space(session, space_of(channel_id), reason)
    since = utc_now() - GRANT_LIFETIME
    runs = RecordingRecord.state.in_((RecordingState.RECORDING, RecordingState.FINISHING))
    recent = (
        select(RecordingRecord.id)
        .where(RecordingRecord.channel_id == channel_id, or_(runs, RecordingRecord.ended_at > since))
        .order_by(RecordingRecord.id.desc())
        .limit(SHOWS_MAX)
    )
    for recording_id in await session.scalars(recent):
        await revoke_space(session, vod_space(recording_id), reason)
