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
from skyriver.platform.identity import Principal, record_audit
from skyriver.platform.store import Store
from skyriver.platform.web import EventHub
from skyriver.platform.workloads.hearing import WorkloadEvent
from skyriver.platform.workloads.model import ObservedNode
from skyriver.services.live.allowance import Allowance
from skyriver.services.live.captions.errors import CaptionedTooOften
from skyriver.services.live.captions.model import CUES_BURST, CUES_PER_S
from skyriver.services.live.cloud import Cloud
from skyriver.services.live.intents import STATION, TRANSCODER, IngestUrls, backup_node, home_node, ingest_urls
from skyriver.services.live.life import hold_of
from skyriver.services.live.model import ChannelState, InputName
from skyriver.services.live.records import ChannelRecord, InputRecord
from skyriver.services.live.relaying.sight import ChannelRelays, relays_by_channel
from skyriver.services.live.seen import SLATE, Seen, see
from skyriver.services.live.settings import LiveSettings
from skyriver.services.live.sight import InputChange, Lives

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
        self.caption_allowance = Allowance(burst=CUES_BURST, per_s=CUES_PER_S, refusal=CaptionedTooOften)
        self.picture_turn = asyncio.Lock()
        """Whoever decodes a picture of a stranger's holds it: one takes up to 320 MB for a moment."""
        self._now = now
        self._store = store
        self._hub = hub
        self._lives = Lives()
        self._unwritten: dict[tuple[str, InputName], InputChange] = {}
        self._writing = asyncio.Lock()
        self._wanted: set[str] = set()
        self._shown: dict[str, dict[str, Any]] = {}
        self._told_switch: dict[str, str] = {}  # channel -> what its people were last told, in this show

    def seen(self, channel_id: str) -> Seen:
        """One channel as it is now."""
        return see(channel_id, self._lives.life(channel_id), self.cloud.observed)

    def homes(self, channel_id: str) -> dict[InputName, ObservedNode | None]:
        """The nodes where the publishers of the channel's inputs go; None while there is no core node."""
        observed = self.cloud.observed
        main, backup = (self._lives.publisher_node_id(channel_id, name) for name in (InputName.MAIN, InputName.BACKUP))
        home = home_node(channel_id, observed, input_node_id=main)
        return {
            InputName.MAIN: home,
            InputName.BACKUP: backup_node(channel_id, observed, home, input_node_id=backup),
        }

    def ingest_urls(self, channel_id: str, name: InputName = InputName.MAIN) -> IngestUrls | None:
        """Where the input's publisher goes; None while there is no core node."""
        home = self.homes(channel_id)[name]
        return ingest_urls(home, self.cloud.observed, self.settings.doors) if home else None

    def ingest_urls_by_input(self, channel_id: str) -> dict[InputName, IngestUrls | None]:
        """The same for both inputs."""
        return {
            name: ingest_urls(home, self.cloud.observed, self.settings.doors) if home else None
            for name, home in self.homes(channel_id).items()
        }

    def rtmp_url(self, channel_id: str, name: InputName = InputName.MAIN) -> str | None:
        """The same for RTMP alone, which every station has."""
        urls = self.ingest_urls(channel_id, name)
        return urls.rtmp if urls else None

    def plan_after_commit(self, session: AsyncSession) -> None:
        """Have the plan made anew once this session's changes are stored: before that, a planner would not see them."""
        event.listen(session.sync_session, "after_commit", lambda _session: self.cloud.kick(), once=True)

    def channels_live(self) -> int:
        """How many channels have pictures for their viewers."""
        return self._lives.count(ChannelState.LIVE)

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hear_transcoders())
            await self._hear_stations(loop)

    async def _hear_transcoders(self) -> None:
        """Tell people at once when another input is shown; the state itself is in the transcoder's metrics."""
        with self.cloud.listening(TRANSCODER) as events:
            async for news in events:
                if news.name == "input_switched":
                    await self._tell_switch(news)

    async def _hear_stations(self, loop: asyncio.AbstractEventLoop) -> None:
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
            query = select(ChannelRecord.id, ChannelRecord.slate_minutes)
            minutes = {channel_id: minutes for channel_id, minutes in await session.execute(query)}
        now = self._now()
        for row in rows:
            change = InputChange(row.channel_id, row.node_id, row.since, row.ended_at, InputName(row.input))
            self._lives.restore(change, now, hold_of(minutes.get(row.channel_id, 0)))

    async def take(self, news: WorkloadEvent) -> None:
        """Act on one station's event: this is the short way from a publisher's first byte to its transcoder."""
        change = self._lives.on_input_event(news.workload, news.body, self._now())
        if change is not None:
            self._unwritten[change.channel_id, change.input] = change
            await self._write()
        if news.body.get("state") in ("refused", "noticed"):
            await self._tell_refusal(news.body)

    async def tick(self) -> None:
        """Once a second: believe the metrics, let time pass, and show everybody their channels."""
        await self._read_holds()
        for change in self._lives.look(self.cloud.observed, self._now()):
            self._unwritten[change.channel_id, change.input] = change
        await self._write()
        wanted = self._lives.wanted()
        if wanted != self._wanted:
            self._wanted = wanted
            self._told_switch = {channel: to for channel, to in self._told_switch.items() if channel in wanted}
            self.cloud.kick()
        if len(self._hub):
            await self._show()

    async def _read_holds(self) -> None:
        """How long the channels without a publisher wait for one: as long as their slates are shown."""
        if not (held := self._lives.held()):
            return
        query = select(ChannelRecord.id, ChannelRecord.slate_minutes).where(ChannelRecord.id.in_(held))
        try:
            async with self._store.session() as session:
                for channel_id, minutes in await session.execute(query):
                    self._lives.hold(channel_id, hold_of(minutes))
        except SkyriverError as error:
            log.warning("could not read how long channels are held; what was read before counts: %s", error)

    async def _write(self) -> None:
        """Write inputs down, then have the plan made anew. A store that is away costs a delay, never a change."""
        async with self._writing:  # one after another: an older change must not be written over a newer one
            for key, change in list(self._unwritten.items()):
                try:
                    await self._write_one(change)
                except SkyriverError as error:
                    log.warning("could not write an input down and will try again: %s", error)
                    return
                if self._unwritten[key] is change:  # else there was news meanwhile, which is still to be written
                    del self._unwritten[key]
                self.cloud.kick()

    async def _write_one(self, change: InputChange) -> None:
        try:
            async with self._store.transaction() as session:
                if await session.get(ChannelRecord, change.channel_id) is None:
                    return  # deleted while its publisher was there
                row = await session.get(InputRecord, (change.channel_id, change.input.value))
                if row is None:
                    row = InputRecord(channel_id=change.channel_id, input=change.input.value)
                    session.add(row)
                row.node_id, row.since, row.ended_at = change.node_id, change.since, change.ended_at
        except IntegrityError:
            log.debug("another process wrote this input down, or the channel is gone")

    async def _show(self) -> None:
        """Send each tenant its channels: those with something going on every second, the others when they change."""
        async with self._store.session() as session:
            query = select(ChannelRecord.id, ChannelRecord.tenant_id, ChannelRecord.input_select)
            rows = (await session.execute(query)).all()
        tenants = {channel_id: tenant_id for channel_id, tenant_id, _ in rows}
        selects = {channel_id: chosen for channel_id, _, chosen in rows}
        self._lives.forget_except(tenants)
        shown = {}
        relays = relays_by_channel(self.cloud.observed)
        for channel_id, tenant_id in tenants.items():
            seen = self.seen(channel_id)
            shape = (
                channel_event(channel_id, seen)
                | {"input_select": selects[channel_id]}
                | relays.get(channel_id, ChannelRelays()).event()
            )
            busy = seen.state is not ChannelState.OFFLINE or seen.viewers
            if busy or shape != self._shown.get(channel_id):
                self._hub.publish("channel", shape, tenant_id=tenant_id)
            shown[channel_id] = shape
        self._shown = shown

    async def _tell_switch(self, news: WorkloadEvent) -> None:
        """Another input, or the slate, is shown. A standby says the same; whoever is first is believed."""
        channel_id = str(news.workload.spec.get("channel_id", ""))
        said = {name: str(news.body.get(name, "")) for name in ("from", "to", "reason")}
        if self._told_switch.get(channel_id) == said["to"] or said["to"] not in (*InputName, SLATE):
            return
        self._told_switch[channel_id] = said["to"]
        try:
            async with self._store.transaction() as session:
                channel = await session.get(ChannelRecord, channel_id)
                if channel is None:
                    return
                node = Principal("node", news.workload.node_id, channel.tenant_id, "viewer")
                record_audit(session, node, "channel.input_switched", channel_id, **said)
        except SkyriverError as error:
            log.warning("could not write down that another input is shown: %s", error)
            return
        self.cloud.kick()  # a transcoder that starts from now on begins with this input
        gap_ms = news.body.get("gap_ms")
        data = {
            "at": self._now().isoformat(),
            "kind": "input_switched",
            "node": None,
            "workload": None,
            "channel_id": channel_id,
            "message": f"Shows {said['to']} instead of {said['from']} ({said['reason']}).",
            "input": {**said, "gap_ms": gap_ms if isinstance(gap_ms, int) else None},
        }
        self._hub.publish("incident", data, tenant_id=channel.tenant_id)

    async def _tell_refusal(self, event: Mapping[str, Any]) -> None:
        """A publisher was turned away, or not all of it is taken: its tenant should see why. Encoders say nothing."""
        async with self._store.session() as session:
            channel = await session.get(ChannelRecord, str(event.get("channel_id", "")))
        if channel is not None:
            message = str(event.get("message") or event.get("reason") or "The station refused a publisher.")
            data = {
                "at": self._now().isoformat(),
                "kind": "publisher_noticed" if event.get("state") == "noticed" else "publisher_refused",
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
        "inputs": seen.input_shapes(),
        "on_slate": seen.on_slate,
        "latency_ms": {"station": seen.station_ms, "transcode": seen.transcode_ms},
        "renditions": seen.renditions,
    }
