"""The ports of a station: RTMP, RTMPS, SRT and WHIP, opened together, with one reception behind them.

RTMP must open. The others take any free port where another program has theirs (the API learns which, and shows it),
and stay shut where this machine lacks what they need: the station serves the rest, and says what is missing. WHIP is
signalled over HTTPS (`whips`) where the operator has a certificate, else over HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skyriver.kernel.errors import SkyriverError, WorldBroke
from skyriver.services.live.stations import KeyRing, Reception
from skyriver.services.live.stations.rtmp import RtmpServer, TlsPort
from skyriver.services.live.stations.srt import Limits as SrtLimits
from skyriver.services.live.stations.srt import SrtServer
from skyriver.services.live.stations.whip import WhipServer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DoorsSpec:
    """Where to listen. A port of 0 is any free one; a door without a port stays shut."""

    host: str
    rtmp_port: int
    rtmps_port: int | None = None
    srt_port: int | None = None
    srt_latency_ms: int = SrtLimits().latency_ms
    whip_port: int | None = None

    @classmethod
    def parse(cls, spec: Mapping[str, Any]) -> DoorsSpec:
        return cls(spec["host"], spec["rtmp_port"], **spec.get("doors", {}))


@dataclass
class Opened:
    """What came of opening: ports by door, and why a door is shut."""

    ports: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


class Doors:
    """The open ports of a station.

    Args:
        certificate: the files of the operator's own, {chain, key}, where there are some.
    """

    def __init__(
        self,
        spec: DoorsSpec,
        reception: Reception,
        keys: KeyRing,
        *,
        data_dir: Path,
        certificate: Mapping[str, str] | None,
    ) -> None:
        self.spec = spec
        self._reception = reception
        self._keys = keys
        self._certificates = data_dir / "certificates"
        self._operator_files = (Path(certificate["chain"]), Path(certificate["key"])) if certificate else None
        self._tls: TlsPort | None = None
        self._servers: list[RtmpServer | SrtServer | WhipServer] = []

    @property
    def connections(self) -> int:
        """Open connections, publishing or not."""
        return sum(server.connections for server in self._servers)

    @property
    def held_bytes(self) -> int:
        """Memory that publishers occupy: unfinished messages and unread media."""
        return sum(server.held_bytes for server in self._servers)

    async def open(self) -> Opened:
        """Open what can be opened.

        Raises:
            WorldBroke: the RTMP port cannot be had.
        """
        spec, opened = self.spec, Opened()
        opened.ports["rtmp"] = await self._open(RtmpServer(self._reception, host=spec.host, port=spec.rtmp_port))
        whip = "whips" if self._operator_files else "whip"
        for name, opening in (("rtmps", self._open_rtmps), ("srt", self._open_srt), (whip, self._open_whip)):
            try:
                port = await opening()
            except SkyriverError as error:
                opened.problems[name] = str(error)
                log.warning("No %s here: %s", name.upper(), error)
            else:
                if port is not None:
                    opened.ports[name] = port
        return opened

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for server in self._servers:
                tasks.create_task(server.run())
            if self._tls is not None:
                tasks.create_task(self._tls.run())

    async def _open(self, server: RtmpServer | SrtServer | WhipServer) -> int:
        await server.open()
        self._servers.append(server)
        return server.port

    async def _open_rtmps(self) -> int | None:
        spec = self.spec
        if spec.rtmps_port is None:
            return None
        hosts = tuple(dict.fromkeys((spec.host, "localhost", "127.0.0.1")))
        self._tls = tls = TlsPort(self._certificates, hosts, self._operator_files)

        def on(port: int) -> RtmpServer:
            return RtmpServer(self._reception, host=spec.host, port=port, tls=tls.context)

        try:
            return await self._open(on(spec.rtmps_port))
        except WorldBroke as error:
            return await self._open(on(_elsewhere(error)))

    async def _open_srt(self) -> int | None:
        spec = self.spec
        if spec.srt_port is None:
            return None
        limits = SrtLimits(latency_ms=spec.srt_latency_ms)

        def on(port: int) -> SrtServer:
            return SrtServer(self._reception, self._keys, host=spec.host, port=port, limits=limits)

        try:
            return await self._open(on(spec.srt_port))
        except WorldBroke as error:
            return await self._open(on(_elsewhere(error)))

    async def _open_whip(self) -> int | None:
        spec = self.spec
        if spec.whip_port is None:
            return None
        tls = self._tls.context if self._operator_files and self._tls is not None else None

        def on(port: int) -> WhipServer:
            return WhipServer(self._reception, host=spec.host, port=port, tls=tls)

        try:
            return await self._open(on(spec.whip_port))
        except WorldBroke as error:
            return await self._open(on(_elsewhere(error)))


def _elsewhere(error: WorldBroke) -> int:
    """Any free port, where the one that was meant is taken."""
    if error.code != "port_taken":
        raise error
    log.warning("%s A free port is taken instead.", error.message)
    return 0
