"""What a principal can do with captions; the rules are those of `services.live.service`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.fabric import group_of
from skyriver.kernel.errors import SkyriverError
from skyriver.platform.identity import Principal, record_audit
from skyriver.platform.workloads import ObservedWorkload
from skyriver.services.live.captions.errors import (
    CaptionTrackNotFound,
    CueNotTaken,
    CueOutOfTime,
    NotOnAir,
    TooManyCaptionTracks,
)
from skyriver.services.live.captions.model import AHEAD_MAX, PAST_MAX, TRACKS_MAX, Cue
from skyriver.services.live.cloud import Cloud
from skyriver.services.live.intents.transcoder import standby_name, transcoder_name
from skyriver.services.live.records import CaptionTrackRecord, ChannelRecord

log = logging.getLogger(__name__)

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


async def find_track(session: AsyncSession, channel: ChannelRecord, language: str) -> CaptionTrackRecord | None:
    """One of a channel's languages; None where it has none of that name."""
    return await session.get(CaptionTrackRecord, (channel.id, language))


async def tracks_of(session: AsyncSession, channel: ChannelRecord) -> Sequence[CaptionTrackRecord]:
    """A channel's languages."""
    query = select(CaptionTrackRecord).where(CaptionTrackRecord.channel_id == channel.id)
    return (await session.scalars(query.order_by(CaptionTrackRecord.language))).all()


async def set_track(
    session: AsyncSession, caller: Principal, channel: ChannelRecord, language: str, label: str | None
) -> tuple[CaptionTrackRecord, bool]:
    """Have captions in `language` (lower case) on offer.

    Args:
        label: what viewers read in their menu; None leaves it as it is.

    Returns:
        the track, and whether it is new or has changed.

    Raises:
        TooManyCaptionTracks.
    """
    track = await session.get(CaptionTrackRecord, (channel.id, language))
    if track is not None:
        changed = label is not None and label != track.label
        if changed:
            track.label = label or ""
            record_audit(session, caller, "captions.renamed", channel.id, language=language, label=track.label)
        return track, changed
    if len(await tracks_of(session, channel)) >= TRACKS_MAX:
        raise TooManyCaptionTracks(TRACKS_MAX)
    track = CaptionTrackRecord(channel_id=channel.id, language=language, label=label or "")
    try:
        async with session.begin_nested():
            session.add(track)
    except IntegrityError:  # two first cues at once: the other one's track is as good
        found = await session.get(CaptionTrackRecord, (channel.id, language))
        if found is None:
            raise
        return found, False
    record_audit(session, caller, "captions.added", channel.id, language=language, label=track.label)
    return track, True


async def remove_track(session: AsyncSession, caller: Principal, channel: ChannelRecord, language: str) -> None:
    """Take a language out of the offer.

    Raises:
        CaptionTrackNotFound.
    """
    track = await session.get(CaptionTrackRecord, (channel.id, language))
    if track is None:
        raise CaptionTrackNotFound(language)
    await session.delete(track)
    record_audit(session, caller, "captions.removed", channel.id, language=language)


def cue_of(text: str, start: datetime | None, duration_s: float, now: datetime) -> Cue:
    """A cue in media time; without a start it begins now.

    Raises:
        CueOutOfTime.
    """
    begin = start or now
    if not now - PAST_MAX <= begin <= now + AHEAD_MAX:
        raise CueOutOfTime(PAST_MAX.total_seconds(), AHEAD_MAX.total_seconds())
    start_us = _media_us(begin)
    return Cue(start_us, start_us + round(duration_s * 1e6), text)


def on_air(cloud: Cloud, channel: ChannelRecord) -> list[ObservedWorkload]:
    """The channel's transcoder and its standby, as far as they work.

    Raises:
        NotOnAir: neither does.
    """
    both = (cloud.observed.workload(name(channel.id)) for name in (transcoder_name, standby_name))
    there = [workload for workload in both if workload is not None and workload.serving]
    if not there:
        raise NotOnAir(channel.slug)
    return there


async def send_cue(
    cloud: Cloud, channel: ChannelRecord, track: CaptionTrackRecord, cue: Cue, told_at: datetime
) -> None:
    """Tell the channel's transcoder and its standby, which write it in the same group. One of them suffices.

    It waits for their nodes: never within a transaction.

    Raises:
        NotOnAir: there is none.
        CueNotTaken: neither could be told.
    """
    there = on_air(cloud, channel)
    told_us = _media_us(told_at)
    command: dict[str, Any] = {
        "cmd": "cue",
        "language": track.language,
        "label": track.label,
        "start_us": cue.start_us,
        "end_us": cue.end_us,
        "text": cue.text,
        "told_us": told_us,
        "group": group_of(told_us),
    }
    results = await asyncio.gather(*(cloud.tell(each.id, command) for each in there), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, SkyriverError):
            raise result
        if isinstance(result, SkyriverError):
            log.warning("a transcoder was not told a cue: %s", result)
    if all(isinstance(result, SkyriverError) for result in results):
        raise CueNotTaken


def moment(time_us: int) -> datetime:
    """Media time as UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


def _media_us(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
