"""`live.station`: the doors of a node, for all inputs of channels that are at home there.

Spec: {host, rtmp_port, doors: {rtmps_port, srt_port, srt_latency_ms}, origins: [{url, certificate_sha256}], channels:
[{channel_id, input, tenant_id, space, key_sha256: [...], srt_passphrases: {sha256: passphrase}, takeover, grant,
max_bitrate_bps, tickets: [{ticket_id, input}], contributions_grant}]}. Keys, grants, channels, limits, tickets and
origins are taken over while it runs; a revoked key or ticket cuts its publisher. Ready: {rtmp_port, rtmps_port,
srt_port, problems: {door: why it is shut}}.
Events: `input` {channel_id, input, state: started | stopped | refused, since_us, ...}.
Metrics, 1 Hz: {inputs: {channel id/input: {codec, width, height, fps, bitrate_bps, gop_s, drift_ms, delay_ms, audio,
...}}, connections, held_bytes, publications}.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skyriver.fabric import Endpoint
from skyriver.kernel.child import ChildChannel
from skyriver.services.live.media.high_water import SAVED_EVERY_S, HighWater
from skyriver.services.live.media.ingest import InputIngest
from skyriver.services.live.model import MAX_BITRATE_BPS, InputName, Takeover, input_id
from skyriver.services.live.stations import EndReason, KeyRing, Publication, Publishing, Reception, Refusal
from skyriver.services.live.stations.moq import MoqDoor, Ticket
from skyriver.services.live.workloads.doors import Doors, DoorsSpec
from skyriver.services.live.workloads.specs import endpoints

REVOKED = Refusal("This stream key has been replaced or revoked. Copy the new key from the channel's page.")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChannelSpec:
    """One input of a channel as a station is told it."""

    channel_id: str
    input: InputName
    tenant_id: str
    space: str
    key_sha256: tuple[str, ...]
    takeover: bool
    grant: str
    max_bitrate_bps: int = MAX_BITRATE_BPS
    srt_passphrases: Mapping[str, str] = field(default_factory=dict, repr=False)
    """SHA-256 of a key -> what an SRT connection with it is encrypted with."""
    tickets: tuple[tuple[str, InputName], ...] = ()
    """Browsers that may publish: ticket id and input."""
    contributions_grant: str = ""

    @property
    def input_id(self) -> str:
        return input_id(self.channel_id, self.input)

    @property
    def publication(self) -> Publication:
        """What a publisher of this input may do."""
        return Publication(self.channel_id, self.tenant_id, takeover=self.takeover, input=self.input)

    @classmethod
    def parse(cls, entry: dict[str, Any]) -> ChannelSpec:
        return cls(
            channel_id=entry["channel_id"],
            input=InputName(entry.get("input", InputName.MAIN)),
            tenant_id=entry["tenant_id"],
            space=entry["space"],
            key_sha256=tuple(entry["key_sha256"]),
            takeover=entry["takeover"] == Takeover.TAKEOVER,
            grant=entry["grant"],
            max_bitrate_bps=entry.get("max_bitrate_bps", MAX_BITRATE_BPS),
            srt_passphrases=entry.get("srt_passphrases", {}),
            tickets=tuple((t["ticket_id"], InputName(t["input"])) for t in entry.get("tickets", ())),
            contributions_grant=entry.get("contributions_grant", ""),
        )


@dataclass(frozen=True)
class StationSpec:
    """Everything a station is told."""

    doors: DoorsSpec
    origins: tuple[Endpoint, ...]
    channels: dict[str, ChannelSpec]
    """By input id."""

    @classmethod
    def parse(cls, spec: dict[str, Any]) -> StationSpec:
        channels = (ChannelSpec.parse(entry) for entry in spec["channels"])
        return cls(DoorsSpec.parse(spec), endpoints(spec["origins"]), {c.input_id: c for c in channels})


class Station:
    """Accepts publishers and hands each to its channel."""

    def __init__(
        self,
        spec: StationSpec,
        channel: ChildChannel,
        data_dir: Path,
        certificate: Mapping[str, str] | None = None,
    ) -> None:
        self.spec = spec
        self._channel = channel
        self._high_water = HighWater(data_dir)
        self._keys = KeyRing()
        self._reception = Reception(self._keys, self._serve, turned_away=self._say_turned_away)
        self._doors = Doors(spec.doors, self._reception, self._keys, data_dir=data_dir, certificate=certificate)
        self._moq = MoqDoor(self._reception, self._contributions_grant)
        self._ingests: dict[str, InputIngest] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def follow(self, spec: StationSpec) -> None:
        """Take over new keys, grants, channels and origins. Publishers whose right is gone are cut, others go on."""
        self.spec = spec
        self._keys.replace(
            ((c.publication, c.key_sha256) for c in spec.channels.values()),
            {digest: text for c in spec.channels.values() for digest, text in c.srt_passphrases.items()},
        )
        self._reception.recheck(self._judge)
        self._moq.follow(self._tickets(), spec.origins)
        for gone in set(self._ingests) - set(spec.channels):
            self._ingests.pop(gone).close()
        for ingest in self._ingests.values():
            ingest.move(spec.origins)
        self._high_water.keep_only(spec.channels)

    async def run(self) -> None:
        """Serve until cancelled."""
        self.follow(self.spec)
        opened = await self._doors.open()
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._doors.run())
                self._tasks.create_task(self._moq.run())
                self._tasks.create_task(self._report())
                ports = {f"{name}_port": port for name, port in opened.ports.items()}
                self._channel.emit("ready", **ports, problems=opened.problems)
        finally:
            self._high_water.save()

    def _say_turned_away(self, publication: Publication, refusal: Refusal) -> None:
        """Many encoders show no reason, so the channel's people are told on its page."""
        self._channel.emit(
            "input",
            channel_id=publication.channel_id,
            input=publication.input.value,
            state="refused",
            reason=EndReason.REFUSED.value,
            message=refusal.description,
        )

    def _tickets(self) -> list[Ticket]:
        return [
            Ticket(ticket_id, c.publication, c.space)
            for c in self.spec.channels.values()
            for ticket_id, name in c.tickets
            if name is c.input
        ]

    def _judge(self, publishing: Publishing) -> Refusal | None:
        if not publishing.key_sha256:
            return None  # came with a ticket, not with a key: its door watches that
        allowed = self._keys.by_sha256(publishing.key_sha256)
        same = allowed is not None and allowed.input_id == publishing.publication.input_id
        return None if same else REVOKED

    async def _serve(self, publishing: Publishing) -> None:
        name = publishing.publication.input_id
        if name not in self.spec.channels:
            publishing.stop(REVOKED.description)
            return
        if name not in self._ingests:
            self._ingests[name] = InputIngest(
                publishing.publication,
                self.spec.channels[name].space,
                self.spec.origins,
                lambda: self._grant(name),
                self._high_water,
                max_bitrate_bps=lambda: self._max_bitrate_bps(name),
                emit=self._channel.emit,
                start=self._start,
            )
        await self._ingests[name].serve(publishing)

    def _max_bitrate_bps(self, name: str) -> int:
        channel = self.spec.channels.get(name)
        return channel.max_bitrate_bps if channel else MAX_BITRATE_BPS

    def _grant(self, name: str) -> str:
        channel = self.spec.channels.get(name)
        return channel.grant if channel else ""

    def _contributions_grant(self, space: str) -> str:
        grants = (c.contributions_grant for c in self.spec.channels.values() if c.space == space)
        return next(filter(None, grants), "")  # the other input of the channel may have no ticket

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
            metrics = {name: ingest.metrics() for name, ingest in self._ingests.items()}
            self._channel.emit(
                "metrics",
                inputs={name: m for name, m in metrics.items() if m is not None},
                connections=self._doors.connections,
                held_bytes=self._doors.held_bytes,
                publications=dict(self._reception.counts),
            )


async def main(channel: ChildChannel, first: dict[str, Any]) -> None:
    """Serve until told to drain or until the supervisor is gone."""
    spec = StationSpec.parse(first["spec"])
    station = Station(spec, channel, Path(first["data_dir"]), first.get("certificate"))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(station.run())
        async for command in channel.commands():
            if command["cmd"] == "drain":
                break
            if command["cmd"] == "spec":
                spec = StationSpec.parse(command["spec"])
                if spec.doors != station.spec.doors:
                    channel.emit("restart_me", reason="the address to listen on changed")
                    break
                station.follow(spec)
        running.cancel()
