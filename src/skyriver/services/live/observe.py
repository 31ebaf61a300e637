"""What runs for live channels in the API process: watches, writes inputs down, has work planned anew, tells browsers.

One task owns the lives of all channels (`Live.run`); others read what it saw. Stations' events may get lost on their
way here: that costs a second, the next metrics say the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import SkyriverError
from skyriver.platform.store import Store
from skyriver.platform.web import EventHub
from skyriver.platform.workloads.hearing import WorkloadEvent
from skyriver.services.live.allowance import Allowance
from skyriver.services.live.cloud import Cloud
from skyriver.services.live.intents import STATION, home_node, rtmp_url
from skyriver.services.live.model import ChannelState
from skyriver.services.live.records import ChannelRecord, InputRecord
from skyriver.services.live.settings import LiveSettings
from skyriver.services.live.sight import InputChange, Lives, Seen, see

TICK_S = 1.0
log = logging.getLogger(__name__)


class Live:
    """The living part of the service.

    Args:
        cloud: the platform around it.
    """

    def __init__(
        self, store: Store, hub: EventHub, cloud: Cloud, settings: LiveSettings, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.cloud = cloud
        self.settings = settings
        self.allowance = Allowance()
        self._now = now
        self._store = store
        self._hub = hub
        self._lives = Lives()
        self._unwritten: dict[str, InputChange] = {}
        self._wanted: set[str] = set()
        self._shown: dict[str, dict[str, Any]] = {}

    def seen(self, channel_id: str) -> Seen:
        """One channel as it is now."""
        return see(channel_id, self._lives.life(channel_id), self.cloud.observed)

    def rtmp_url(self, channel_id: str) -> str | None:
        """Where the channel's publisher goes; None while there is no core node."""
        observed = self.cloud.observed
        home = home_node(channel_id, observed, input_node_id=self._lives.publisher_node_id(channel_id))
        return rtmp_url(home, observed, self.settings.rtmp_port) if home else None

    def plan_after_commit(self, session: AsyncSession) -> None:
        """Have the plan made anew once this session's changes are stored: before that, a planner would not see them."""
        event.listen(session.sync_session, "after_commit", lambda _session: self.cloud.kick(), once=True)

    def channels_live(self) -> int:
        """How many channels have pictures for their viewers."""
        return self._lives.count(ChannelState.LIVE)

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        with self.cloud.listening(STATION) as events:
            await self.restore()
            next_tick_s = loop.time()
            while True:
                try:
                    async with asyncio.timeout_at(next_tick_s):
                        await self.take(await anext(aiter(events)))
                except TimeoutError:
                    next_tick_s = max(next_tick_s + TICK_S, loop.time())
                    await self.tick()

    async def restore(self) -> None:
        """Remember what was written down, so that no running show is lost with the process that watched it."""
        async with self._store.session() as session:
            rows = (await session.scalars(select(InputRecord))).all()
        now = self._now()
        for row in rows:
            self._lives.restore(InputChange(row.channel_id, row.node_id, row.since, row.ended_at), now)

    async def take(self, news: WorkloadEvent) -> None:
        """Act on one station's event: this is the short way from a publisher's first byte to its transcoder."""
        change = self._lives.on_input_event(news.workload, news.body, self._now())
        if change is not None:
            self._unwritten[change.channel_id] = change
            await self._write()
        if news.body.get("state") == "refused":
            await self._tell_refusal(news.body)

    async def tick(self) -> None:
        """Once a second: believe the metrics, let time pass, and show everybody their channels."""
        for change in self._lives.look(self.cloud.observed, self._now()):
            self._unwritten[change.channel_id] = change
        await self._write()
        wanted = self._lives.wanted()
        if wanted != self._wanted:
            self._wanted = wanted
            self.cloud.kick()
        if len(self._hub):
            await self._show()

    async def _write(self) -> None:
        """Write inputs down, then have the plan made anew. A store that is away costs a delay, never a change."""
        for change in list(self._unwritten.values()):
            try:
                await self._write_one(change)
            except SkyriverError as error:
                log.warning("could not write an input down and will try again: %s", error)
                return
            del self._unwritten[change.channel_id]
            self.cloud.kick()

    async def _write_one(self, change: InputChange) -> None:
        try:
            async with self._store.transaction() as session:
                if await session.get(ChannelRecord, change.channel_id) is None:
                    return  # deleted while its publisher was there
                row = await session.get(InputRecord, (change.channel_id, "main"))
                if row is None:
                    row = InputRecord(channel_id=change.channel_id, input="main")
                    session.add(row)
                row.node_id, row.since, row.ended_at = change.node_id, change.since, change.ended_at
        except IntegrityError:
            log.debug("another process wrote this input down, or the channel is gone")

    async def _show(self) -> None:
        """Send each tenant its channels: those with something going on every second, the others when they change."""
        async with self._store.session() as session:
            query = select(ChannelRecord.id, ChannelRecord.tenant_id)
            tenants = {channel_id: tenant_id for channel_id, tenant_id in await session.execute(query)}
        self._lives.forget_except(tenants)
        shown = {}
        for channel_id, tenant_id in tenants.items():
            seen = self.seen(channel_id)
            shape = channel_event(channel_id, seen)
            busy = seen.state is not ChannelState.OFFLINE or seen.viewers
            if busy or shape != self._shown.get(channel_id):
                self._hub.publish("channel", shape, tenant_id=tenant_id)
            shown[channel_id] = shape
        self._shown = shown

    async def _tell_refusal(self, event: Mapping[str, Any]) -> None:
        """A publisher was turned away: its tenant should see why, because its encoder will only say "failed"."""
        async with self._store.session() as session:
            channel = await session.get(ChannelRecord, str(event.get("channel_id", "")))
        if channel is not None:
            message = str(event.get("message") or event.get("reason") or "The station refused a publisher.")
            data = {
                "at": self._now().isoformat(),
                "kind": "publisher_refused",
                "node": None,
                "workload": None,
                "channel_id": channel.id,
                "message": message[:500],
            }
            self._hub.publish("incident", data, tenant_id=channel.tenant_id)


def channel_event(channel_id: str, seen: Seen) -> dict[str, Any]:
    """The data of a `channel` event."""
    return {
        "id": channel_id,
        "state": seen.state.value,
        "viewers": seen.viewers,
        "viewers_by_site": seen.viewers_by_site,
        "ingress_bps": seen.input.bitrate_bps if seen.input else 0,
        "egress_bps": seen.egress_bps,
        "input": seen.input_shape(),
        "latency_ms": {"station": seen.station_ms, "transcode": seen.transcode_ms},
        "renditions": seen.renditions,
    }
