"""The `relay` workload: the fabric's relay under an agent.

Spec: `role` ("origin" | "edge"), `host`, `advertise_host`, `port` (its certificate's successor takes the next one),
`limits`, `upstreams` ([{url, certificate_sha256}], ranked; edges only), `upstream_grant` (a service grant for every
space). The first command also brings `data_dir`, `certificate` ({chain, key}: files of the operator's own, or None),
`jwks`, `denied` (see `fabric.grants.Denial`). Later commands: `spec`, `keys` (jwks, denied), `deny` (a denial),
`rotate`, `drain`. A change of what it listens on needs a restart, which it asks for.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from skyriver.fabric import Endpoint
from skyriver.fabric.admission import Limits
from skyriver.fabric.certificates import Certificate, load
from skyriver.fabric.grants import Denial, Verifier
from skyriver.fabric.moq import certificate_hashes, silence_native_logs
from skyriver.fabric.relay import Metrics, Relay
from skyriver.fabric.relay_config import RelayConfig
from skyriver.fabric.relay_session import Usage
from skyriver.kernel.child import ChildChannel

_LIVE = frozenset({"upstreams", "upstream_grant"})  # what a running relay can take over; anything else restarts it


async def main(channel: ChildChannel, first: dict[str, Any]) -> None:
    """Serve until drained or until the agent is gone."""
    silence_native_logs()
    await RelayWorkload(channel, first).run()


class RelayWorkload:
    """Translates between the agent's lines and the relay."""

    def __init__(self, channel: ChildChannel, first: Mapping[str, Any]) -> None:
        self._channel = channel
        self._spec: Mapping[str, Any] = first["spec"]
        self._process = psutil.Process()
        verifier = Verifier(first.get("jwks") or {"keys": []})
        self._relay = Relay(
            self._config(Path(first["data_dir"]), first.get("certificate")),
            verifier,
            on_usage=self._usage,
            on_metrics=self._metrics,
            on_listening=self._listening,
        )
        self._deny(first.get("denied", ()))

    async def run(self) -> None:
        """Serve; ends on `drain`, or when there is no agent any more."""
        relay = asyncio.ensure_future(self._relay.run())
        obey = asyncio.ensure_future(self._obey())
        try:
            await asyncio.wait({relay, obey}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            obey.cancel()
            relay.cancel()
            results = await asyncio.gather(relay, obey, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _obey(self) -> None:
        async for command in self._channel.commands():
            match command["cmd"]:
                case "spec":
                    self._take_spec(command["spec"])
                case "keys":
                    self._relay.verifier.replace_keys(command["jwks"])
                    self._deny(command.get("denied", ()))
                case "deny":
                    self._deny([command])
                case "rotate":
                    self._relay.rotate_certificate()
                case "drain":
                    return

    def _take_spec(self, spec: Mapping[str, Any]) -> None:
        before, self._spec = self._spec, spec
        changed = {key for key in before.keys() | spec.keys() if before.get(key) != spec.get(key)}
        if changed - _LIVE:
            self._channel.emit("restart_me", reason=f"changed: {', '.join(sorted(changed))}")
        elif "upstreams" in changed:
            self._relay.follow_upstreams(_endpoints(spec.get("upstreams", ())))

    def _config(self, data_dir: Path, certificate: Mapping[str, str] | None) -> RelayConfig:
        spec = self._spec
        host = spec["host"]
        port = int(spec.get("port") or 0)
        advertise = spec.get("advertise_host") or host
        return RelayConfig(
            host=host,
            ports=_ports(host, port),
            certificate_folder=data_dir / "certificates",
            certificate_hosts=tuple(dict.fromkeys((advertise, "localhost", "127.0.0.1"))),
            operator_certificate=_operator_certificate(certificate),
            advertise_host=advertise,
            limits=Limits(**spec.get("admission", {})),
            upstreams=_endpoints(spec.get("upstreams", ())),
            is_origin=spec["role"] == "origin",
            upstream_grant=lambda space: str(self._spec.get("upstream_grant", "")),
        )

    def _deny(self, denied: Iterable[Mapping[str, Any]]) -> None:
        self._relay.deny(*map(Denial.from_entry, denied))

    # -- events ----------------------------------------------------------------------------------------------------

    def _listening(self, endpoints: tuple[Endpoint, ...]) -> None:
        newest = endpoints[-1]
        self._channel.emit(
            "ready",
            url=newest.url,
            port=int(newest.url.rsplit(":", 1)[1]),
            certificate_sha256=list(newest.certificate_sha256),
            role=self._spec["role"],
            pid=os.getpid(),
        )

    def _metrics(self, metrics: Metrics) -> None:
        self._channel.emit("metrics", **asdict(metrics), memory_bytes=self._process.memory_info().rss)

    def _usage(self, usage: Usage) -> None:
        self._channel.emit("usage", **usage.event())


def _ports(host: str, port: int) -> tuple[int, ...]:
    """The ports to try, in order. No firewall counts on them on loopback: any free one is better than none there."""
    if not port:
        return (0,)
    return (port, port + 1, 0) if host in ("127.0.0.1", "::1") else (port, port + 1)


def _endpoints(entries: Iterable[Mapping[str, Any]]) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(e["url"], certificate_hashes(e.get("certificate_sha256", ()))) for e in entries)


def _operator_certificate(entry: Mapping[str, str] | None) -> Certificate | None:
    return None if not entry else load(Path(entry["chain"]), Path(entry["key"]), operator_owned=True)
