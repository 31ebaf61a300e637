"""`live.whep`: every channel of the cloud for players that speak WebRTC and nothing else, on one node.

Spec: {host, advertise_host, port, origins: [{url, certificate_sha256}], grant, limits}. `grant` is a service grant for
the spaces of all channels, `limits` what differs from `whep.limits`. The first command also brings certificate
({chain, key}: files of the operator's own, or None), jwks, denied. Later commands: `spec`, `keys`, `deny`, `drain`. A
change of what it listens on needs a restart, which it asks for.

`ready`: {url, port}; url is https with the operator's certificate, else http. Metrics, 1 Hz: {sessions, channels,
refused, egress_bps, load, viewers_by_space}. `usage` events are those of a relay.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from skyriver.fabric.certificates import Certificate, load
from skyriver.fabric.grants import Denial, Verifier
from skyriver.fabric.moq import silence_native_logs
from skyriver.fabric.relay_session import Usage
from skyriver.kernel.child import ChildChannel
from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import WorldBroke
from skyriver.kernel.ids import new_id
from skyriver.kernel.networks import host_in_url
from skyriver.services.live.whep import WhepServer
from skyriver.services.live.whep.limits import Limits
from skyriver.services.live.whep.session import WhepSession
from skyriver.services.live.workloads.specs import endpoints

METRICS_EVERY_S, USAGE_EVERY = 1.0, 5
_LISTENING = ("host", "advertise_host", "port", "limits")

log = logging.getLogger(__name__)


class _Meter:
    """What one session has moved since it was last told of."""

    def __init__(self, session: WhepSession) -> None:
        self._session = session
        self._source = new_id("se")
        self._sequence = 0
        self._sent = self._received = 0
        self._at = session.opened_at

    def fact(self, *, final: bool) -> Usage | None:
        """The next fact; None when nothing has moved (a final one is always given)."""
        session = self._session
        sent, received = session.bytes_sent - self._sent, session.bytes_received - self._received
        if not (final or sent or received):
            return None
        now = utc_now()
        fact = Usage(
            source=self._source,
            seq=self._sequence,
            space=session.grant.root,
            jti=session.grant.jti,
            bytes_sent=sent,
            bytes_received=received,
            from_at=self._at,
            to_at=now,
            final=final,
        )
        self._sequence += 1
        self._sent, self._received, self._at = session.bytes_sent, session.bytes_received, now
        return fact


class WhepWorkload:
    """Translates between the agent's lines and the server."""

    def __init__(self, channel: ChildChannel, first: Mapping[str, Any]) -> None:
        self._channel = channel
        self._spec: Mapping[str, Any] = first["spec"]
        self._jwks: Mapping[str, Any] = first.get("jwks") or {"keys": []}
        self._verifier = Verifier(self._jwks)
        self._meters: dict[str, _Meter] = {}
        self._sent_bytes = 0
        files = first.get("certificate")
        certificate = load(Path(files["chain"]), Path(files["key"]), operator_owned=True) if files else None
        self._tls = _tls_context(certificate) if certificate else None
        self._server = self._server_on(int(self._spec.get("port") or 0))
        self._deny(first.get("denied", ()))

    async def run(self) -> None:
        """Serve; ends on `drain`, or when there is no agent any more."""
        await self._open()
        host = str(self._spec.get("advertise_host") or self._spec["host"])
        scheme = "https" if self._tls else "http"
        self._channel.emit("ready", url=f"{scheme}://{host_in_url(host)}:{self._server.port}", port=self._server.port)
        async with asyncio.TaskGroup() as tasks:
            serving = [tasks.create_task(self._server.run()), tasks.create_task(self._report())]
            await self._obey()
            for task in serving:
                task.cancel()

    async def _open(self) -> None:
        """On our port, the next one, which is ours too (`up` marks the first of a range with a socket of its own), or
        any."""
        port = int(self._spec.get("port") or 0)
        for candidate in (port, port + 1) if port else ():
            self._server = self._server_on(candidate)
            try:
                await self._server.open()
            except WorldBroke as error:
                log.info("%s The next port is tried.", error.message)
            else:
                return
        self._server = self._server_on(0)
        await self._server.open()

    def _server_on(self, port: int) -> WhepServer:
        return WhepServer(
            self._verifier,
            endpoints(self._spec["origins"]),
            lambda: str(self._spec["grant"]),
            host=str(self._spec["host"]),
            port=port,
            advertise_host=str(self._spec.get("advertise_host") or ""),
            limits=Limits(**self._spec.get("limits", {})),
            tls=self._tls,
            on_over=self._over,
        )

    async def _obey(self) -> None:
        async for command in self._channel.commands():
            match command["cmd"]:
                case "spec":
                    self._take_spec(command["spec"])
                case "keys":
                    if command["jwks"] != self._jwks:
                        self._jwks = command["jwks"]
                        self._verifier.replace_keys(self._jwks)
                    self._deny(command.get("denied", ()))
                case "deny":
                    self._deny([command])
                case "drain":
                    return

    def _take_spec(self, spec: Mapping[str, Any]) -> None:
        before, self._spec = self._spec, spec
        if any(before.get(key) != spec.get(key) for key in _LISTENING):
            self._channel.emit("restart_me", reason="what it listens on has changed")
        elif before["origins"] != spec["origins"]:
            self._server.follow(endpoints(spec["origins"]))

    def _deny(self, denied: Iterable[Mapping[str, Any]]) -> None:
        self._server.deny(*map(Denial.from_entry, denied))

    async def _report(self) -> None:
        round_ = 0
        while True:
            await asyncio.sleep(METRICS_EVERY_S)
            round_ += 1
            sessions = tuple(self._server.sessions.values())
            sent = sum(session.bytes_sent for session in sessions)
            viewers = Counter(session.grant.root for session in sessions if session.playing)
            self._channel.emit(
                "metrics",
                sessions=len(sessions),
                channels=self._server.channels,
                refused=self._server.refused,
                egress_bps=max(0, int((sent - self._sent_bytes) * 8 / METRICS_EVERY_S)),
                load=round(len(sessions) / self._server.limits.max_sessions, 3),
                viewers_by_space=dict(viewers),
            )
            self._sent_bytes = sent
            if round_ % USAGE_EVERY == 0:
                for session in sessions:
                    self._tell_usage(session, final=False)

    def _over(self, session: WhepSession) -> None:
        self._tell_usage(session, final=True)
        self._meters.pop(session.session_id, None)

    def _tell_usage(self, session: WhepSession, *, final: bool) -> None:
        meter = self._meters.setdefault(session.session_id, _Meter(session))
        if (fact := meter.fact(final=final)) is not None:
            self._channel.emit("usage", **fact.event())


def _tls_context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate.chain_path, certificate.key_path)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def main(channel: ChildChannel, first: dict[str, Any]) -> None:
    """Serve until drained or until the agent is gone."""
    silence_native_logs()
    await WhepWorkload(channel, first).run()
