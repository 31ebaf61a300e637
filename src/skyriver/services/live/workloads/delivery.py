"""`live.delivery`: LL-HLS, HLS and DASH of all channels at one edge, filled from the fabric while somebody watches.

Spec: {host, advertise_host, port, relays: [{url, certificate_sha256}], origins: [the same], grant, store,
address_limits: {connections, requests_per_s}}. `relays` are the edge's own; without any it fills from the origins.
`grant` is a service grant for the spaces of all channels, `store` the URL of the object store that recordings are read
from, empty where this node cannot reach it. The first command also brings data_dir, certificate ({chain, key}: files
of the operator's own, or None), jwks, denied. Later commands: `spec`, `keys`, `deny`, `drain`. A change of what it
listens on needs a restart, which it asks for.

`ready`: {url, secure_url, port, pid}. `url` is what browsers can use: https with the operator's certificate, else
http. Metrics, 1 Hz: see `delivery.server.Metrics`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from skyriver.fabric import Endpoint
from skyriver.fabric.certificates import Certificate, load, load_or_issue
from skyriver.fabric.grants import Denial, Verifier
from skyriver.fabric.moq import silence_native_logs
from skyriver.fabric.relay_session import Usage
from skyriver.kernel.child import ChildChannel
from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import SkyriverError, WorldBroke
from skyriver.kernel.networks import host_in_url
from skyriver.platform.objects import open_store
from skyriver.services.live.delivery.addresses import AddressLimits
from skyriver.services.live.delivery.server import DeliveryServer, Metrics, tls_context
from skyriver.services.live.vod.source import VodSource
from skyriver.services.live.workloads.specs import endpoints

CHECK_CERTIFICATE_S = 60.0
_LISTENING = ("host", "advertise_host", "port", "store", "address_limits")

log = logging.getLogger(__name__)


async def main(channel: ChildChannel, first: dict[str, Any]) -> None:
    """Serve until drained or until the agent is gone."""
    silence_native_logs()
    await DeliveryWorkload(channel, first).run()


class DeliveryWorkload:
    """Translates between the agent's lines and the server."""

    def __init__(self, channel: ChildChannel, first: Mapping[str, Any]) -> None:
        self._channel = channel
        self._spec: Mapping[str, Any] = first["spec"]
        self._process = psutil.Process()
        self._jwks: Mapping[str, Any] = first.get("jwks") or {"keys": []}
        self._server = DeliveryServer(
            Verifier(self._jwks),
            _relays(self._spec),
            lambda: str(self._spec["grant"]),
            fallback=_origins(self._spec),
            recordings=VodSource(open_store(self._spec["store"])) if self._spec.get("store") else None,
            limits=AddressLimits(**self._spec.get("address_limits", {})),
            on_usage=self._usage,
            on_metrics=self._metrics,
        )
        self._hosts = tuple(dict.fromkeys((self._advertise_host, "localhost", "127.0.0.1")))
        self._folder = Path(first["data_dir"]) / "certificates"
        self._certificate = self._first_certificate(first.get("certificate"))
        self._tls = tls_context(self._certificate)
        self._deny(first.get("denied", ()))

    @property
    def _advertise_host(self) -> str:
        return str(self._spec.get("advertise_host") or self._spec["host"])

    async def run(self) -> None:
        """Serve; ends on `drain`, or when there is no agent any more."""
        await self._listen()
        async with asyncio.TaskGroup() as tasks:
            serving = [tasks.create_task(self._server.run()), tasks.create_task(self._keep_certificate())]
            await self._obey()
            for task in serving:
                task.cancel()

    async def _obey(self) -> None:
        async for command in self._channel.commands():
            match command["cmd"]:
                case "spec":
                    self._take_spec(command["spec"])
                case "keys":
                    if command["jwks"] != self._jwks:
                        self._jwks = command["jwks"]
                        self._server.sessions.trust(self._jwks)
                    self._deny(command.get("denied", ()))
                case "deny":
                    self._deny([command])
                case "drain":
                    return

    def _take_spec(self, spec: Mapping[str, Any]) -> None:
        before, self._spec = self._spec, spec
        if any(before.get(key) != spec.get(key) for key in _LISTENING):
            self._channel.emit(
                "restart_me", reason="where it listens, its limits, or where recordings are, has changed"
            )
        elif (_relays(before), _origins(before)) != (_relays(spec), _origins(spec)):
            self._server.follow(_relays(spec), _origins(spec))

    def _deny(self, denied: Iterable[Mapping[str, Any]]) -> None:
        self._server.sessions.deny(*map(Denial.from_entry, denied))

    # -- listening -------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        port = int(self._spec.get("port") or 0)
        ports = (port, port + 1) if port else (0,)
        if self._certificate.operator_owned:
            bound = await self._bind(ports, self._tls)
            url = secure_url = self._url("https", bound)
        else:
            bound = await self._bind(ports, None)
            # The one that is left, or any: nobody's player counts on a certificate that nobody knows.
            left = [port for port in ports if port not in (0, bound)]
            secure = await self._bind((*left, 0), self._tls)
            url, secure_url = self._url("http", bound), self._url("https", secure)
        self._channel.emit("ready", url=url, secure_url=secure_url, port=bound, pid=os.getpid())

    async def _bind(self, ports: Sequence[int], tls: ssl.SSLContext | None) -> int:
        """Listen on the first of these that can be had. On loopback any other port is as good: no firewall counts on
        them there."""
        host = str(self._spec["host"])
        candidates = (*ports, 0) if host in ("127.0.0.1", "::1") and ports[-1] else ports
        for port in candidates[:-1]:
            try:
                return await self._server.listen(host, port, tls)
            except WorldBroke as error:
                log.info("%s The next port is tried.", error.message)
        return await self._server.listen(host, candidates[-1], tls)

    def _url(self, scheme: str, port: int) -> str:
        return f"{scheme}://{host_in_url(self._advertise_host)}:{port}"

    # -- certificates ----------------------------------------------------------------------------------------------

    def _first_certificate(self, entry: Mapping[str, str] | None) -> Certificate:
        if entry:
            return load(Path(entry["chain"]), Path(entry["key"]), operator_owned=True)
        return load_or_issue(self._folder, self._hosts)

    async def _keep_certificate(self) -> None:
        """Follow the operator's files, and replace our own before it ends. New connections get the new one."""
        while True:
            await asyncio.sleep(CHECK_CERTIFICATE_S)
            current = self._certificate
            try:
                if current.operator_owned:
                    found = load(current.chain_path, current.key_path, operator_owned=True)
                else:
                    found = load_or_issue(self._folder, self._hosts) if current.due(utc_now()) else current
            except SkyriverError as error:  # files that are being replaced just now, or badly: the old one goes on
                log.warning("%s", error)
                continue
            if found.sha256 != current.sha256:
                self._certificate = found
                self._tls.load_cert_chain(found.chain_path, found.key_path)

    # -- events ----------------------------------------------------------------------------------------------------

    def _metrics(self, metrics: Metrics) -> None:
        self._channel.emit("metrics", **asdict(metrics), memory_bytes=self._process.memory_info().rss)

    def _usage(self, usage: Usage) -> None:
        self._channel.emit("usage", **usage.event())


def _relays(spec: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    return endpoints(spec.get("relays") or spec.get("origins") or ())


def _origins(spec: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """What a channel falls back to; nothing where it gets everything from the origins anyway."""
    return endpoints(spec.get("origins") or ()) if spec.get("relays") else ()
