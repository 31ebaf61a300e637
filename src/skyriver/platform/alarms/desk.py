"""Where alarms come together in the API process: sources report conditions, the desk writes what changed.

Level-triggered: a source says again and again what holds, and the desk compares what should be open with what it has
written. A store that is away costs a delay, never an alarm; several API processes that see the same raise it once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from sqlalchemy import select, update

from skyriver.kernel.clock import Monotonic, monotonic_s, utc_now
from skyriver.kernel.errors import SkyriverError
from skyriver.platform.alarms.alarms import alarm_data, clear_alarm, condition_of, forget_old, raise_alarm
from skyriver.platform.alarms.model import Condition, Hysteresis
from skyriver.platform.alarms.records import AlarmRecord
from skyriver.platform.store import Store
from skyriver.platform.web.events import EventHub

log = logging.getLogger("skyriver.alarms")

SEEN_EVERY_S = 60.0  # how often open alarms are marked as still there: one write for all of them
FORGET_EVERY_S = 3600.0
RESTART_GRACE_S = 20.0
"""After a start: how long an alarm of an earlier process stays open although nobody confirms it. Longer than it takes
nodes to find the bus and workloads to report."""


class AlarmSource:
    """One watcher's alarms. Made by `AlarmDesk.source`; used by one task."""

    def __init__(self, desk: AlarmDesk, name: str) -> None:
        self.name = name
        self._desk = desk
        self._hysteresis: Hysteresis | None = None
        self._written: set[str] = set()

    @property
    def open_keys(self) -> frozenset[str]:
        """The alarms of this source that are open in the store, as far as this process knows."""
        return frozenset(self._written)

    async def look(
        self, holding: Iterable[Condition], *, unknown: Callable[[Condition], bool] = lambda _condition: False
    ) -> None:
        """Say everything that is wrong now; see `Hysteresis.look`. Never raises because of the store."""
        try:
            hysteresis = self._hysteresis or await self._start()
            wanted = hysteresis.look(holding, self._desk.now_s(), unknown=unknown)
            await self._write(wanted)
        except SkyriverError as error:
            log.warning("Writing alarms failed, and is tried again: %s", error)

    async def _start(self) -> Hysteresis:
        """Take over what an earlier process left open."""
        hysteresis = Hysteresis()
        rows = await self._desk.open_alarms(self.name)
        conditions = [condition_of(row, clear_after_s=RESTART_GRACE_S) for row in rows]
        hysteresis.restore(conditions, self._desk.now_s())
        self._written = {condition.key for condition in conditions}
        self._hysteresis = hysteresis
        return hysteresis

    async def _write(self, wanted: Mapping[str, Condition]) -> None:
        fresh = [condition for key, condition in wanted.items() if key not in self._written]
        over = self._written - wanted.keys()
        if fresh or over:
            await self._desk.write(self.name, fresh, over)
            self._written = set(wanted)


class AlarmDesk:
    """Writes alarms down and tells whoever listens. One per API process; it is also the component that keeps house."""

    def __init__(
        self,
        store: Store,
        hub: EventHub,
        *,
        now: Callable[[], datetime] = utc_now,
        monotonic: Monotonic = monotonic_s,
    ) -> None:
        self.now_s = monotonic
        self._now = now
        self._store = store
        self._hub = hub
        self._sources: list[AlarmSource] = []

    def source(self, name: str) -> AlarmSource:
        """A new watcher. Alarms that an earlier process's watcher of this name left open are taken over by it."""
        source = AlarmSource(self, name)
        self._sources.append(source)
        return source

    async def open_alarms(self, source: str) -> list[AlarmRecord]:
        """Every open alarm of a source, of all tenants."""
        query = select(AlarmRecord).where(AlarmRecord.open_key.is_not(None), AlarmRecord.source == source)
        async with self._store.session() as session:
            return list((await session.scalars(query)).all())

    async def write(self, source: str, raised: Iterable[Condition], cleared: Iterable[str]) -> None:
        """Open and close alarms in one transaction, then tell the tenants' browsers."""
        now = self._now()
        async with self._store.transaction() as session:
            changed = [await raise_alarm(session, source, condition, now) for condition in raised]
            changed += [await clear_alarm(session, key, now) for key in cleared]
        for alarm in changed:
            if alarm is not None:
                self.tell(alarm)

    def tell(self, alarm: AlarmRecord) -> None:
        """Send an alarm's present state to its tenant's event readers."""
        self._hub.publish("alarm", alarm_data(alarm), tenant_id=alarm.tenant_id)

    async def run(self) -> None:
        """Mark open alarms as still there, and forget old ones, until cancelled."""
        forget_at_s = 0.0
        while True:
            try:
                await self._mark_seen()
                if self.now_s() >= forget_at_s:
                    async with self._store.transaction() as session:
                        await forget_old(session, self._now())
                    forget_at_s = self.now_s() + FORGET_EVERY_S
            except SkyriverError as error:
                log.warning("Keeping alarms in order failed, and is tried again: %s", error)
            await asyncio.sleep(SEEN_EVERY_S)

    async def _mark_seen(self) -> None:
        keys = [key for source in self._sources for key in source.open_keys]
        if keys:
            async with self._store.transaction() as session:
                seen = update(AlarmRecord).where(AlarmRecord.open_key.in_(keys))
                await session.execute(seen.values(last_seen_at=self._now()))
