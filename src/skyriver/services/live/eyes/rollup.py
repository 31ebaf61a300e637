"""Beacons added up by minute, channel, region, site and protocol; written down every few seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import SkyriverError
from skyriver.kernel.ids import new_id
from skyriver.platform.store import Store
from skyriver.services.live.eyes import histogram
from skyriver.services.live.eyes.beacons import Beacon
from skyriver.services.live.records import ChannelRecord, QoeMinuteRecord

log = logging.getLogger(__name__)

WRITE_EVERY_S = 10.0
KEPT = timedelta(days=30)
FORGET_EVERY_S = 3600.0
KEYS_MAX = 20_000
"""Minutes x channels x sites x protocols that are held at once; beacons beyond it are counted as dropped."""
RENDITIONS_MAX = 24


@dataclass(frozen=True)
class Key:
    """What beacons are added up by."""

    channel_id: str
    minute: datetime
    region: str
    site: str
    protocol: str


@dataclass
class Sums:
    """Beacons of one key. Counts, sums of milliseconds, histograms."""

    viewings: int = 0
    beacons: int = 0
    watched_ms: int = 0
    startups: list[int] = field(default_factory=histogram.empty)
    startup_ms: int = 0
    latencies: list[int] = field(default_factory=histogram.empty)
    latency_ms: int = 0
    rebuffers: int = 0
    rebuffer_ms: int = 0
    switches: int = 0
    errors: int = 0
    renditions: dict[str, int] = field(default_factory=dict)

    def add(self, beacon: Beacon) -> None:
        self.viewings += beacon.first
        self.beacons += 1
        self.watched_ms += beacon.watched_ms
        self.rebuffers += beacon.rebuffers
        self.rebuffer_ms += beacon.rebuffer_ms
        self.switches += beacon.switches
        self.errors += beacon.errors
        if beacon.startup_ms is not None:
            self.startups[histogram.bucket_of(beacon.startup_ms)] += 1
            self.startup_ms += beacon.startup_ms
        if beacon.latency_ms is not None:
            self.latencies[histogram.bucket_of(beacon.latency_ms)] += 1
            self.latency_ms += beacon.latency_ms
        if beacon.rendition and (beacon.rendition in self.renditions or len(self.renditions) < RENDITIONS_MAX):
            self.renditions[beacon.rendition] = self.renditions.get(beacon.rendition, 0) + beacon.watched_ms

    def merge(self, other: Sums) -> None:
        """Add another sum to this one."""
        for name in ("viewings", "beacons", "watched_ms", "startup_ms", "latency_ms", "rebuffers", "rebuffer_ms"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.switches += other.switches
        self.errors += other.errors
        self.startups = histogram.added(self.startups, other.startups)
        self.latencies = histogram.added(self.latencies, other.latencies)
        for rendition, watched_ms in other.renditions.items():
            self.renditions[rendition] = self.renditions.get(rendition, 0) + watched_ms


def minute_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


class QoeRollup:
    """Takes beacons and writes minutes. A process that dies loses `WRITE_EVERY_S` of them, which is well enough for
    figures of how it was."""

    def __init__(self, store: Store, *, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._now = now
        self._writer = new_id("qoe")  # of this process's rows
        self._sums: dict[Key, Sums] = {}
        self._changed: set[Key] = set()
        self.dropped = 0

    def take(self, channel_id: str, beacon: Beacon, *, region: str, site: str) -> None:
        """Add one beacon."""
        key = Key(channel_id, minute_of(self._now()), region, site, beacon.protocol)
        if key not in self._sums and len(self._sums) >= KEYS_MAX:
            self.dropped += 1
            return
        self._sums.setdefault(key, Sums()).add(beacon)
        self._changed.add(key)

    async def run(self) -> None:
        forget_in_s = 0.0
        try:
            while True:
                await asyncio.sleep(WRITE_EVERY_S)
                try:
                    await self.write()
                    forget_in_s -= WRITE_EVERY_S
                    if forget_in_s <= 0:
                        forget_in_s = FORGET_EVERY_S
                        await self.forget_old()
                except SkyriverError as error:
                    log.warning("Writing down what players told failed, and is tried again: %s", error)
        finally:
            await self._write_quietly()

    async def _write_quietly(self) -> None:
        try:
            await self.write()
        except SkyriverError as error:
            log.warning("The last beacons could not be written down: %s", error)

    async def write(self) -> None:
        """Write every minute that has grown, and let go of those that are over."""
        changed = sorted(self._changed, key=lambda key: (key.minute, key.channel_id, key.site, key.protocol))
        if changed:
            async with self._store.transaction() as session:
                await self._upsert(session, changed)
        self._changed -= set(changed)
        over = minute_of(self._now()) - timedelta(minutes=2)
        self._sums = {key: sums for key, sums in self._sums.items() if key.minute >= over or key in self._changed}

    async def forget_old(self) -> None:
        async with self._store.transaction() as session:
            await session.execute(delete(QoeMinuteRecord).where(QoeMinuteRecord.minute < self._now() - KEPT))

    async def _upsert(self, session: AsyncSession, keys: Iterable[Key]) -> None:
        ids = {key.channel_id for key in keys}
        present = set(await session.scalars(select(ChannelRecord.id).where(ChannelRecord.id.in_(ids))))
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        for key in keys:
            if key.channel_id in present:  # a channel that was deleted meanwhile
                sums = vars(self._sums[key])
                row = insert(QoeMinuteRecord).values(**vars(key), writer=self._writer, **sums)
                names = ["channel_id", "minute", "region", "site", "protocol", "writer"]
                await session.execute(row.on_conflict_do_update(index_elements=names, set_=sums))


@dataclass(frozen=True)
class QoeQuery:
    """Which minutes: [since, until), one point each `step`."""

    channel_id: str
    since: datetime
    until: datetime
    step: timedelta


@dataclass(frozen=True)
class QoeAnswer:
    points: Mapping[datetime, Sums]
    total: Sums
    by_site: Mapping[str, Sums]
    by_region: Mapping[str, Sums]
    by_protocol: Mapping[str, Sums]


async def read_qoe(session: AsyncSession, query: QoeQuery) -> QoeAnswer:
    """What players told, added up over time and by where and how they watched."""
    rows = await session.scalars(
        select(QoeMinuteRecord).where(
            QoeMinuteRecord.channel_id == query.channel_id,
            QoeMinuteRecord.minute >= query.since,
            QoeMinuteRecord.minute < query.until,
        )
    )
    points: dict[datetime, Sums] = {}
    total = Sums()
    groups: dict[str, dict[str, Sums]] = {"site": {}, "region": {}, "protocol": {}}
    for row in rows:
        sums = _sums_of(row)
        steps = int((row.minute - query.since) / query.step)
        points.setdefault(query.since + steps * query.step, Sums()).merge(sums)
        total.merge(sums)
        for name, group in groups.items():
            group.setdefault(getattr(row, name), Sums()).merge(sums)
    return QoeAnswer(dict(sorted(points.items())), total, groups["site"], groups["region"], groups["protocol"])


def _sums_of(row: QoeMinuteRecord) -> Sums:
    fields: dict[str, Any] = {name: getattr(row, name) for name in vars(Sums())}
    return Sums(**fields)
