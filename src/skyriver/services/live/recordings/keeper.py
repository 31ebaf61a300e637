"""What runs for recordings in the API process: opens and closes them with their channels' shows, writes down what
recorders report, makes clips, deletes what has expired, and notes once an hour what is stored.

Several processes may run one: whatever it does is either idempotent or decided by a unique index.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import SkyriverError
from skyriver.platform.identity import Principal, record_audit
from skyriver.platform.objects import ObjectStore
from skyriver.platform.objects.store import delete_prefix
from skyriver.platform.store import Store
from skyriver.platform.web import EventHub
from skyriver.platform.webhooks import publish_event
from skyriver.services.live.eyes.telling import RECORDING_READY
from skyriver.services.live.intents.recorder import recorder_name
from skyriver.services.live.model import ChannelState
from skyriver.services.live.observe import Live
from skyriver.services.live.recorder.ending import Ending, write_ending
from skyriver.services.live.recorder.layout import Index, root
from skyriver.services.live.recorder.uploading import Totals, load_index
from skyriver.services.live.recordings.clipping import make_clip
from skyriver.services.live.recordings.errors import OutsideRecording
from skyriver.services.live.recordings.model import (
    CLOSE_AFTER,
    RECORDER_LOST_AFTER,
    RecordingKind,
    RecordingState,
)
from skyriver.services.live.recordings.operations import mark_deleting, moment
from skyriver.services.live.records import ChannelRecord, RecordingRecord, RecordingSettingsRecord, RecordingUsageRecord

TICK_S = 1.0
WRITE_EVERY = timedelta(seconds=5)
SWEEP_EVERY = timedelta(seconds=30)
_SWEPT_AT_ONCE = 20

log = logging.getLogger(__name__)


class Keeper:
    """One task owns all of it (`run`); routes use `objects` and `kick_after_commit`."""

    def __init__(
        self, store: Store, hub: EventHub, live: Live, objects: ObjectStore, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.objects = objects
        self._store = store
        self._hub = hub
        self._live = live
        self._now = now
        self._news = asyncio.Event()
        self._offline_since: dict[str, datetime] = {}
        self._written_at: dict[str, datetime] = {}
        self._swept_at: datetime | None = None

    def kick_after_commit(self, session: AsyncSession) -> None:
        """Look at once, when this session's changes are stored."""
        event.listen(session.sync_session, "after_commit", lambda _session: self._news.set(), once=True)

    async def run(self) -> None:
        """Keep until cancelled. A store that is away costs a delay."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work_in_background())
            while True:
                try:
                    await self.tick()
                except SkyriverError as error:
                    log.warning("Looking after recordings failed and is tried again: %s", error)
                await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """Once a second: open, close, and believe the recorders."""
        now = self._now()
        async with self._store.session() as session:
            settings = {row.channel_id: row for row in await session.scalars(select(RecordingSettingsRecord))}
            states = RecordingState.RECORDING, RecordingState.FINISHING
            running = list(await session.scalars(select(RecordingRecord).where(RecordingRecord.state.in_(states))))
            channels = {row.id: row for row in await session.scalars(select(ChannelRecord))} if settings else {}
        wanted = {
            channel_id
            for channel_id, row in settings.items()
            if row.enabled and channel_id in channels and self._on_air(channel_id)
        }
        open_ = {row.open_channel_id for row in running}
        for channel_id in wanted - open_:
            await self._open(channels[channel_id], settings[channel_id], now)
        for row in running:
            if row.state == RecordingState.RECORDING and self._is_over(row.channel_id, wanted, settings, now):
                await self._change(row.id, lambda r: self._begin_to_finish(r, now))
            await self._believe(row, now)

    def _on_air(self, channel_id: str) -> bool:
        return self._live.seen(channel_id).state is not ChannelState.OFFLINE

    def _is_over(
        self, channel_id: str, wanted: Iterable[str], settings: Mapping[str, RecordingSettingsRecord], now: datetime
    ) -> bool:
        if channel_id in wanted:
            self._offline_since.pop(channel_id, None)
            return False
        row = settings.get(channel_id)
        if row is None or not row.enabled:  # told so, or the channel is gone
            return True
        return now - self._offline_since.setdefault(channel_id, now) >= CLOSE_AFTER

    async def _open(self, channel: ChannelRecord, settings: RecordingSettingsRecord, now: datetime) -> None:
        recording = RecordingRecord(
            tenant_id=channel.tenant_id,
            channel_id=channel.id,
            channel_name=channel.name,
            open_channel_id=channel.id,
            kind=RecordingKind.SHOW,
            name=channel.name,
            state=RecordingState.RECORDING,
            started_at=now,
            retain_until=now + timedelta(days=settings.retention_days),
        )
        try:
            async with self._store.transaction() as session:
                session.add(recording)
        except IntegrityError:
            return  # another process was first, or the tenant is gone
        self._live.cloud.kick()
        self._tell(recording)

    def _begin_to_finish(self, row: RecordingRecord, now: datetime) -> None:
        if row.state == RecordingState.RECORDING:
            row.state, row.ended_at, row.open_channel_id = RecordingState.FINISHING, now, None
            kept = (row.retain_until or now) - row.started_at
            row.retain_until = now + kept  # counted from the show's end
            self._live.cloud.kick()

    async def _believe(self, row: RecordingRecord, now: datetime) -> None:
        """Write down what the recorder says; close what is finished, or will never be."""
        workload = self._live.cloud.observed.workload(recorder_name(row.id))
        said = dict(workload.metrics) if workload is not None and workload.reported else {}
        if row.state == RecordingState.FINISHING:
            if said.get("finished"):
                await self._change(row.id, lambda r: self._take(r, said, RecordingState.READY))
                self._written_at.pop(row.id, None)
                self._live.cloud.kick()
                return
            if row.ended_at is not None and now - row.ended_at > RECORDER_LOST_AFTER and not said:
                await self._close_without_recorder(row.id)
                return
        if (
            said.get("loaded")
            and now - self._written_at.get(row.id, datetime.min.replace(tzinfo=now.tzinfo)) >= WRITE_EVERY
        ):
            self._written_at[row.id] = now
            await self._change(row.id, lambda r: self._take(r, said, None))

    def _take(self, row: RecordingRecord, said: Mapping[str, Any], state: RecordingState | None) -> None:
        row.size_bytes, row.duration_ms = _whole(said.get("size_bytes")), _whole(said.get("media_ms"))
        if _whole(said.get("start_us")):
            row.started_at = moment(_whole(said.get("start_us")))
        row.gaps, row.tracks = _dicts(said.get("gaps")), _dicts(said.get("tracks"))
        if state is not None:
            row.state = state
            if _whole(said.get("end_us")):
                row.ended_at = moment(_whole(said.get("end_us")))
            if not row.size_bytes:
                mark_deleting(row)  # a show of which nothing came

    async def _close_without_recorder(self, recording_id: str) -> None:
        index = await load_index(self.objects, recording_id)
        await write_ending(self.objects, recording_id, Ending())
        await self._change(recording_id, lambda row: self._take(row, _figures(index), RecordingState.READY))

    async def _change(self, recording_id: str, change: Callable[[RecordingRecord], None]) -> None:
        async with self._store.transaction() as session:
            row = await session.get(RecordingRecord, recording_id)
            if row is None:
                return
            before = row.state
            change(row)
            if row.state == RecordingState.READY and before != RecordingState.READY:
                await publish_event(session, row.tenant_id, RECORDING_READY.name, ready_data(row))
        self._tell(row)

    def _tell(self, row: RecordingRecord) -> None:
        """Tell the tenant's browsers that there is news; they ask for what they show."""
        news = {
            "id": row.id,
            "channel_id": row.channel_id,
            "state": str(row.state),
            "duration_ms": row.duration_ms,
            "size_bytes": row.size_bytes,
        }
        self._hub.publish("recording", news, tenant_id=row.tenant_id)

    # -- in the background -----------------------------------------------------------------------------------------

    async def _work_in_background(self) -> None:
        """Clips and deletions: they wait for the object store, and nothing else waits for them."""
        while True:
            try:
                await self.work(self._now())
            except SkyriverError as error:
                log.warning("The object store fails clips and deletions, which are tried again: %s", error)
            try:
                async with asyncio.timeout(SWEEP_EVERY.total_seconds()):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()

    async def work(self, now: datetime) -> None:
        """Make what is ordered, delete what is marked, mark what has expired, note what is stored."""
        async with self._store.session() as session:
            clips = list(await session.scalars(_in_state(RecordingState.MAKING)))
        for clip in clips:
            await self._make(clip)
        if self._swept_at is None or abs(now - self._swept_at) >= SWEEP_EVERY:
            self._swept_at = now
            await self._expire(now)
            await self._note_usage(now)
        async with self._store.session() as session:
            marked = list(await session.scalars(_in_state(RecordingState.DELETING)))
        for row in marked:
            await delete_prefix(self.objects, root(row.id))
            async with self._store.transaction() as session:
                await session.execute(delete(RecordingRecord).where(RecordingRecord.id == row.id))

    async def _make(self, clip: RecordingRecord) -> None:
        if clip.source_id is None or clip.clip_from_us is None or clip.clip_to_us is None:
            return
        try:
            made = await make_clip(self.objects, clip.source_id, clip.id, clip.clip_from_us, clip.clip_to_us)
        except OutsideRecording as error:
            reason = str(error)
            await self._change(clip.id, lambda row: _fail(row, reason))
            return
        figures = _figures(made.index) | {"media_ms": (made.to_us - made.from_us) // 1000}

        def ready(row: RecordingRecord) -> None:
            if row.state != RecordingState.MAKING:
                return  # deleted meanwhile
            self._take(row, figures, RecordingState.READY)
            row.clip_from_us, row.clip_to_us = made.from_us, made.to_us
            row.started_at, row.ended_at = moment(made.from_us), moment(made.to_us)

        await self._change(clip.id, ready)

    async def _expire(self, now: datetime) -> None:
        ready = _in_state(RecordingState.READY).where(RecordingRecord.retain_until < now)
        async with self._store.transaction() as session:
            for row in await session.scalars(ready):
                keeper = Principal("service", "recordings", row.tenant_id, "owner")
                record_audit(session, keeper, "recording.expired", row.id, name=row.name, channel_id=row.channel_id)
                mark_deleting(row)

    async def _note_usage(self, now: datetime) -> None:
        hour = now.replace(minute=0, second=0, microsecond=0)
        async with self._store.transaction() as session:
            dialect = session.get_bind().dialect.name
            insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
            held = select(RecordingRecord).where(RecordingRecord.size_bytes > 0)
            rows = [
                {"recording_id": r.id, "hour": hour, "tenant_id": r.tenant_id, "channel_id": r.channel_id,
                 "size_bytes": r.size_bytes}
                for r in await session.scalars(held)
            ]  # fmt: skip
            for start in range(0, len(rows), 500):
                statement = insert(RecordingUsageRecord).values(rows[start : start + 500])
                await session.execute(statement.on_conflict_do_nothing(index_elements=["recording_id", "hour"]))


def _in_state(state: RecordingState) -> Any:
    return (
        select(RecordingRecord).where(RecordingRecord.state == state).order_by(RecordingRecord.id).limit(_SWEPT_AT_ONCE)
    )


def _fail(row: RecordingRecord, reason: str) -> None:
    row.state, row.failure = RecordingState.FAILED, reason[:500]


def _figures(index: Index) -> dict[str, Any]:
    """An index in the words of a recorder's metrics."""
    totals = Totals()
    totals.count(index)
    return {
        "size_bytes": totals.size_bytes,
        "media_ms": totals.media_us // 1000,
        "start_us": totals.start_us,
        "end_us": totals.end_us,
        "gaps": [gap.json() for gap in totals.gaps],
        "tracks": [vars(track) for _, track in sorted(index.tracks.items())],
    }


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 60 else 0


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [dict(entry) for entry in value[:1000] if isinstance(entry, dict)] if isinstance(value, list) else []


def ready_data(row: RecordingRecord) -> dict[str, Any]:
    """What webhooks are told of a recording or clip that can be played now."""
    return {
        "recording_id": row.id,
        "recording_name": row.name,
        "channel_id": row.channel_id,
        "duration_ms": row.duration_ms,
        "size_bytes": row.size_bytes,
    }
