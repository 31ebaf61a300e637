"""The component that watches all channels once a second: raises their alarms, and tells webhooks what happened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from skyriver.kernel.errors import SkyriverError
from skyriver.platform.alarms import AlarmDesk, Condition
from skyriver.platform.store import Store
from skyriver.platform.web import EventHub
from skyriver.platform.workloads import ObservedState
from skyriver.platform.workloads.model import NodeState
from skyriver.services.live.eyes.conditions import WatchedChannel, channel_conditions, is_unknown, states_of
from skyriver.services.live.eyes.telling import Told, read_told, tell
from skyriver.services.live.intents import TRANSCODER
from skyriver.services.live.media.detectors import DetectorSettings
from skyriver.services.live.observe import Live
from skyriver.services.live.records import ChannelRecord, DetectorSettingsRecord
from skyriver.services.live.seen import Seen

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
SETTLE_S = 20.0
"""After a start: publishers and stations come back after the API, and nothing is wrong with that."""
READ_EVERY_S = 5.0
"""How often channels and their settings are read. A new channel has no show in its first seconds."""


class ChannelEyes:
    """Watches until cancelled. Several API processes may: alarms and events are written once."""

    def __init__(self, store: Store, desk: AlarmDesk, live: Live, hub: EventHub) -> None:
        self._store = store
        self._hub = hub
        self._live = live
        self._alarms = desk.source("live")
        self._channels: dict[str, WatchedChannel] = {}
        self._told: dict[str, Told] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        read_at_s, settled_s = 0.0, loop.time() + SETTLE_S
        while True:
            try:
                if loop.time() >= read_at_s:
                    await self.read()
                    read_at_s = loop.time() + READ_EVERY_S
                await self.look(settled=loop.time() >= settled_s)
            except SkyriverError as error:
                log.warning("Looking after channels failed, and is tried again: %s", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def read(self) -> None:
        """Learn of channels, their settings, and what was told of them."""
        async with self._store.session() as session:
            settings = {row.channel_id: row.settings for row in await session.scalars(select(DetectorSettingsRecord))}
            rows = await session.execute(select(ChannelRecord.id, ChannelRecord.tenant_id, ChannelRecord.name))
            self._channels = {
                id_: WatchedChannel(id_, tenant_id, name, DetectorSettings.parse(settings.get(id_, {})))
                for id_, tenant_id, name in rows
            }
            self._told = await read_told(session)

    async def look(self, *, settled: bool = True) -> None:
        """One look at every channel. Before it has `settled`, alarms stay as an earlier process left them."""
        observed = self._live.cloud.observed
        seen = {channel_id: self._live.seen(channel_id) for channel_id in self._channels}
        reports = detector_reports(observed)
        deaf = not settled or not any(node.state is NodeState.ALIVE for node in observed.nodes)
        holding = [
            condition
            for channel_id, channel in self._channels.items()
            for condition in channel_conditions(channel, seen[channel_id], reports.get(channel_id, {}))
            if not deaf
        ]

        def unknown(condition: Condition) -> bool:
            about = seen.get(condition.subject.id)
            return about is not None and (deaf or is_unknown(condition, about, reports.get(condition.subject.id, {})))

        await self._alarms.look(holding, unknown=unknown)
        self._show(reports)
        if not deaf:
            await self._tell(seen)

    def _show(self, reports: Mapping[str, Mapping[str, Any]]) -> None:
        """Send each tenant what detectors see and hear of its shows: `sight` events, for meters."""
        if len(self._hub):
            for channel_id, report in reports.items():
                if channel := self._channels.get(channel_id):
                    states = {name: state for name, state in states_of(report).items() if isinstance(state, bool)}
                    data = {"id": channel_id, "detectors": states, "sound": report.get("sound")}
                    self._hub.publish("sight", data, tenant_id=channel.tenant_id)

    async def _tell(self, seen: Mapping[str, Seen]) -> None:
        for channel_id, channel in self._channels.items():
            before = self._told.get(channel_id, Told())
            now = before.after(seen[channel_id])
            if now != before:
                async with self._store.transaction() as session:
                    if await tell(session, channel, before, now):
                        self._told[channel_id] = now


def detector_reports(observed: ObservedState) -> dict[str, Mapping[str, Any]]:
    """What detectors report, by channel: of the transcoder that has them (its standby looks at nothing)."""
    reports: dict[str, Mapping[str, Any]] = {}
    for workload in observed.of_kind(TRANSCODER):
        report = workload.metrics.get("detectors")
        if workload.serving and isinstance(report, Mapping) and report:
            reports[str(workload.spec.get("channel_id", ""))] = report
    return reports
