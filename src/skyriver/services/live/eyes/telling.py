"""What webhooks are told of channels: went live, went offline, changed its input."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.platform.webhooks import EventType, publish_event
from skyriver.services.live.eyes.conditions import WatchedChannel
from skyriver.services.live.model import ChannelState
from skyriver.services.live.records import ToldStateRecord
from skyriver.services.live.seen import SLATE, Seen

RECORDING_READY = EventType("recording.ready", "A recording or a clip is finished and can be played as a whole.")
EVENTS = (
    EventType("channel.live", "A channel has pictures for its viewers."),
    EventType("channel.offline", "A channel's show is over: its publisher is gone and its hold has passed."),
    EventType("input.switched", "A channel shows another of its inputs, or its slate."),
    RECORDING_READY,
)


@dataclass(frozen=True)
class Told:
    """What is told of one channel: `live` or `offline`, and the input on show while it is live."""

    state: str = ChannelState.OFFLINE.value
    active_input: str = ""

    def after(self, seen: Seen) -> Told:
        """What there is to tell now. A channel that is starting is neither: nothing is told until it is decided."""
        if seen.state is ChannelState.OFFLINE:
            return Told()
        if seen.state is ChannelState.STARTING and self.state != ChannelState.LIVE.value:
            return self
        active = SLATE if seen.on_slate else (seen.active.name.value if seen.active else self.active_input)
        return Told(ChannelState.LIVE.value, active)


async def read_told(session: AsyncSession) -> dict[str, Told]:
    """What was told of every channel."""
    rows = await session.scalars(select(ToldStateRecord))
    return {row.channel_id: Told(row.state, row.active_input) for row in rows}


async def tell(session: AsyncSession, channel: WatchedChannel, before: Told, now: Told) -> bool:
    """Write down what is told, and the events of it. False: another process was first, or the channel is gone."""
    if not await _claim(session, channel.id, before, now):
        return False
    about = {"channel_id": channel.id, "channel_name": channel.name}
    if now.state != before.state:
        await publish_event(session, channel.tenant_id, f"channel.{now.state}", about)
    elif now.active_input != before.active_input and before.active_input:
        change = {**about, "from": before.active_input, "to": now.active_input}
        await publish_event(session, channel.tenant_id, "input.switched", change)
    return True


async def _claim(session: AsyncSession, channel_id: str, before: Told, now: Told) -> bool:
    changed = await session.execute(
        update(ToldStateRecord)
        .where(
            ToldStateRecord.channel_id == channel_id,
            ToldStateRecord.state == before.state,
            ToldStateRecord.active_input == before.active_input,
        )
        .values(state=now.state, active_input=now.active_input)
        .returning(ToldStateRecord.channel_id)
    )
    if changed.scalar() is not None:
        return True
    if before != Told():
        return False
    try:
        async with session.begin_nested():
            session.add(ToldStateRecord(channel_id=channel_id, state=now.state, active_input=now.active_input))
    except IntegrityError:
        return False
    return True
