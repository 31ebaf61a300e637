"""`live.station`: the RTMP door of a node, for all channels that are at home there.

Spec: {host, rtmp_port, origins: [{url, certificate_sha256}], channels: [{channel_id, tenant_id, space,
key_sha256: [...], takeover, grant, tickets: [{ticket_id, input}], contributions_grant}]}. Keys, grants, channels,
tickets and origins are taken over while it runs; a revoked key or ticket cuts its publisher. Ready: {rtmp_port}.
Events: `input` {channel_id, state: started | stopped | refused, since_us, ...}.
Metrics, 1 Hz: {channels: {id: {codec, width, height, fps, bitrate_bps, gop_s, drift_ms, delay_ms, audio, ...}},
connections, held_bytes, publications}.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyriver.fabric import Endpoint
from skyriver.kernel.child import ChildChannel
from skyriver.services.live.media.high_water import SAVED_EVERY_S, HighWater
from skyriver.services.live.media.ingest import ChannelIngest
from skyriver.services.live.model import InputName, Takeover
from skyriver.services.live.stations import EndReason, KeyRing, Publication, Publishing, Reception, Refusal
from skyriver.services.live.stations.moq import MoqDoor, Ticket
from skyriver.services.live.stations.rtmp import RtmpServer
from skyriver.services.live.workloads.specs import endpoints

REVOKED = Refusal("This stream key has been replaced or revoked. Copy the new key from the channel's page.")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChannelSpec:
    """One channel as a station is told it."""

    channel_id: str
    tenant_id: str
    space: str
    key_sha256: tuple[str, ...]
    takeover: bool
    grant: str
    tickets: tuple[tuple[str, InputName], ...] = ()
    """Browsers that may publish: ticket id and input."""
    contributions_grant: str = ""

    @classmethod
    def parse(cls, entry: dict[str, Any]) -> ChannelSpec:
        return cls(
            channel_id=entry["channel_id"],
            tenant_id=entry["tenant_id"],
            space=entry["space"],
            key_sha256=tuple(entry["key_sha256"]),
            takeover=entry["takeover"] == Takeover.TAKEOVER,
            grant=entry["grant"],
            tickets=tuple((t["ticket_id"], InputName(t["input"])) for t in entry.get("tickets", ())),
            contributions_grant=entry.get("contributions_grant", ""),
        )


@dataclass(frozen=True)
class StationSpec:
    """Everything a station is told."""

    host: str
    rtmp_port: int
    origins: tuple[Endpoint, ...]
    channels: dict[str, ChannelSpec]

    @classmethod
    def parse(cls, spec: dict[str, Any]) -> StationSpec:
        channels = (ChannelSpec.parse(entry) for entry in spec["channels"])
        return cls(spec["host"], spec["rtmp_port"], endpoints(spec["origins"]), {c.channel_id: c for c in channels})


class Station:
    """Accepts publishers and hands each to its channel."""

    def __init__(self, spec: StationSpec, channel: ChildChannel, data_dir: Path) -> None:
        self.spec = spec
        self._channel = channel
        self._high_water = HighWater(data_dir)
        self._keys = KeyRing()
        self._reception = Reception(self._keys, self._serve, turned_away=self._say_turned_away)
        self._server = RtmpServer(self._reception, host=spec.host, port=spec.rtmp_port)
        self._moq = MoqDoor(self._reception, self._contributions_grant)
        self._ingests: dict[str, ChannelIngest] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def follow(self, spec: StationSpec) -> None:
        """Take over new keys, grants, channels and origins. Publishers whose right is gone are cut, others go on."""
        self.spec = spec
        self._keys.replace(
            (Publication(c.channel_id, c.tenant_id, takeover=c.takeover), c.key_sha256) for c in spec.channels.values()
        )
        self._reception.recheck(self._judge)
        self._moq.follow(self._tickets(), spec.origins)
        for channel_id in set(self._ingests) - set(spec.channels):
            self._ingests.pop(channel_id).close()
        for ingest in self._ingests.values():
            ingest.move(spec.origins)
        self._high_water.keep_only(spec.channels)

    async def run(self) -> None:
        """Serve until cancelled."""
        self.follow(self.spec)
        await self._server.open()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._server.run())
                self._tasks.create_task(self._moq.run())
                self._tasks.create_task(self._report())
                self._channel.emit("ready", rtmp_port=self._server.port)
        finally:
            self._high_water.save()

    def _say_turned_away(self, publication: Publication, refusal: Refusal) -> None:
        """Many encoders show no reason, so the channel's people are told on its page."""
        channel_id, reason = publication.channel_id, EndReason.REFUSED.value
        self._channel.emit("input", channel_id=channel_id, state="refused", reason=reason, message=refusal.description)

    def _tickets(self) -> list[Ticket]:
        return [
            Ticket(ticket_id, Publication(c.channel_id, c.tenant_id, takeover=c.takeover, input=name), c.space)
            for c in self.spec.channels.values()
            for ticket_id, name in c.tickets
        ]

    def _judge(self, publishing: Publishing) -> Refusal | None:
        if not publishing.key_sha256:
            return None  # came with a ticket, not with a key: its door watches that
        allowed = self._keys.by_sha256(publishing.key_sha256)
        same = allowed is not None and allowed.channel_id == publishing.publication.channel_id
        return None if same else REVOKED

    async def _serve(self, publishing: Publishing) -> None:
        channel_id = publishing.publication.channel_id
        if channel_id not in self.spec.channels:
            publishing.stop(REVOKED.description)
            return
        if channel_id not in self._ingests:
            self._ingests[channel_id] = ChannelIngest(
                channel_id,
                self.spec.channels[channel_id].space,
                self.spec.origins,
                lambda: self._grant(channel_id),
                self._high_water,
                emit=self._channel.emit,
                start=self._start,
            )
        await self._ingests[channel_id].serve(publishing)

    def _grant(self, channel_id: str) -> str:
        channel = self.spec.channels.get(channel_id)
        return channel.grant if channel else ""

    def _contributions_grant(self, space: str) -> str:
        return next((c.contributions_grant for c in self.spec.channels.values() if c.space == space), "")

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None] | None:
        assert self._tasks is not None
        try:
            return self._tasks.create_task(work)
        except RuntimeError:  # the group is shutting down, and with it everything that this task would serve
            work.close()
            return None

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(SAVED_EVERY_S)
            self._high_water.save()
            metrics = {channel_id: ingest.metrics() for channel_id, ingest in self._ingests.items()}
            self._channel.emit(
                "metrics",
                channels={channel_id: m for channel_id, m in metrics.items() if m is not None},
                connections=self._server.connections,
                held_bytes=self._server.held_bytes,
                publications=dict(self._reception.counts),
            )


async def main(channel: ChildChannel, first: dict[str, Any]) -> None:
    """Serve until told to drain or until the supervisor is gone."""
    station = Station(StationSpec.parse(first["spec"]), channel, Path(first["data_dir"]))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(station.run())
        async for command in channel.commands():
            if command["cmd"] == "drain":
                break
            if command["cmd"] == "spec":
                spec = StationSpec.parse(command["spec"])
                if (spec.host, spec.rtmp_port) != (station.spec.host, station.spec.rtmp_port):
                    channel.emit("restart_me", reason="the address to listen on changed")
                    break
                station.follow(spec)
        running.cancel()
