"""The sockets of a relay: one per certificate, so that a certificate is replaced without dropping a viewer.

The library cannot change a listening server's certificate, and closing a server ends its sessions. So a successor
listens on the next of the relay's ports, new tickets name it, and the old one goes on until its certificate expires or
a day has passed (no ticket lives longer than that), whichever is first. A port that somebody else has taken
is passed over for the relay's next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta

from skyriver.fabric import certificates, moq
from skyriver.fabric.relay_config import RelayConfig
from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import SkyriverError, WorldBroke
from skyriver.kernel.networks import host_in_url

log = logging.getLogger(__name__)

CHECK_EVERY_S = 60.0
OVERLAP = timedelta(hours=24)


class Listeners:
    """Runs the servers of one relay; `accept` gets each request and must not block."""

    def __init__(
        self,
        config: RelayConfig,
        accept: Callable[[moq.Request], None],
        on_listening: Callable[[tuple[moq.Endpoint, ...]], None],
        *,
        check_every_s: float = CHECK_EVERY_S,
    ) -> None:
        self._config = config
        self._accept = accept
        self._on_listening = on_listening
        self._check_every_s = check_every_s
        self._ports_used = 0
        self._rotate = asyncio.Event()

    def rotate_now(self) -> None:
        """Replace the certificate at once, as if it were due."""
        self._rotate.set()

    async def run(self) -> None:
        """Listen until cancelled; sockets are released before this returns."""
        config = self._config
        certificate = config.operator_certificate or certificates.load_or_issue(
            config.certificate_folder, config.certificate_hosts
        )
        async with asyncio.TaskGroup() as tasks:
            current = await self._listen(certificate, tasks)
            while True:
                try:
                    await asyncio.wait_for(self._rotate.wait(), self._check_every_s)
                except TimeoutError:
                    if not (certificate.operator_owned or certificate.due(utc_now())):
                        continue
                self._rotate.clear()
                successor = self._successor(certificate)
                if successor is None:
                    continue
                certificate = successor
                previous, current = current, await self._listen(certificate, tasks)
                tasks.create_task(self._retire(previous))
                log.info("a new certificate is in use", extra={"expires_at": certificate.expires_at.isoformat()})

    def _successor(self, certificate: certificates.Certificate) -> certificates.Certificate | None:
        """The next certificate; of the operator's own, what its files hold now, and None while that is the same."""
        if not certificate.operator_owned:
            return certificates.issue(self._config.certificate_folder, self._config.certificate_hosts)
        try:
            found = certificates.load(certificate.chain_path, certificate.key_path, operator_owned=True)
        except SkyriverError as error:  # files that are being replaced just now, or badly: the old one goes on
            log.warning("%s", error)
            return None
        return None if found.sha256 == certificate.sha256 else found

    async def _listen(self, certificate: certificates.Certificate, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        server, stack = await self._bind(certificate)
        bound_port = server.local_addr.rsplit(":", 1)[1]
        host = host_in_url(self._config.advertise_host or self._config.host)
        pins = () if certificate.operator_owned else (certificate.sha256,)
        self._on_listening((moq.Endpoint(f"https://{host}:{bound_port}", pins),))
        return tasks.create_task(self._serve(server, stack))

    async def _bind(self, certificate: certificates.Certificate) -> tuple[moq.Server, AsyncExitStack]:
        """The first of the relay's ports, beginning with the one that is due, that can be had."""
        ports = self._config.ports
        for left in reversed(range(len(ports))):
            port = ports[self._ports_used % len(ports)]
            self._ports_used += 1
            server = moq.Server(
                f"{self._config.host}:{port}",
                tls_cert=[str(certificate.chain_path)],
                tls_key=[str(certificate.key_path)],
                publish=moq.new_origin(),
                subscribe=moq.new_origin(),
            )
            stack = AsyncExitStack()
            try:
                await stack.enter_async_context(server)
                return server, stack
            except moq.Error as error:
                message = f"Listening on UDP {self._config.host}:{port} failed: {error}."
                if not left:
                    hint = "Stop whatever listens there, or give this relay another port."
                    raise WorldBroke(message, hint=hint) from error
                log.warning("%s The relay's next port is tried.", message)
        raise AssertionError("unreachable: a relay has at least one port")

    async def _serve(self, server: moq.Server, stack: AsyncExitStack) -> None:
        async with stack:
            async for request in server:
                self._accept(request)

    async def _retire(self, previous: asyncio.Task[None]) -> None:
        await asyncio.sleep(OVERLAP.total_seconds())
        previous.cancel()
