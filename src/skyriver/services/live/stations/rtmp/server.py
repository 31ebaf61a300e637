"""The RTMP port: accepts publishers, asks who they are, and gives each publication to a task of its own."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl

from skyriver.kernel.errors import WorldBroke
from skyriver.services.live.stations.access import Refusal
from skyriver.services.live.stations.events import Ended
from skyriver.services.live.stations.publishing import Publishing
from skyriver.services.live.stations.reception import SHUTTING_DOWN, Reception
from skyriver.services.live.stations.rtmp.limits import Limits
from skyriver.services.live.stations.rtmp.session import Session

RECEIVE_BUFFER_BYTES = 256 << 10  # one for all connections: a read is parsed before the next one begins
_SWEEP_S = 0.25  # how late a time-out may be noticed
_BACKLOG = 256

log = logging.getLogger(__name__)


class RtmpServer:
    """Many publishers on one port.

    Args:
        reception: who may publish, and what is done with what they send.
        host, port: where to listen; port 0 takes a free one.
        limits: what publishers may use.
        tls: makes this an RTMPS port.
    """

    def __init__(
        self,
        reception: Reception,
        *,
        host: str = "127.0.0.1",
        port: int = 1935,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.monotonic = reception.monotonic
        self.receive_buffer = memoryview(bytearray(RECEIVE_BUFFER_BYTES))
        self.counts = reception.counts
        self.reception = reception
        self._host = host
        self._port = port
        self._tls = tls
        self._sessions: set[Session] = set()
        self._server: asyncio.Server | None = None
        self._bound_port = 0

    @property
    def port(self) -> int:
        """The bound port."""
        if self._server is None:
            raise RuntimeError("RtmpServer.open() has not been called")
        return self._bound_port

    @property
    def connections(self) -> int:
        """Open connections, publishing or not."""
        return len(self._sessions)

    @property
    def held_bytes(self) -> int:
        """Memory that publishers occupy: unfinished messages and unread media."""
        return sum(session.held_bytes for session in self._sessions)

    async def open(self) -> None:
        """Take the port; connections wait in the kernel until `run`.

        Raises WorldBroke (code `port_taken`) when another process has it.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            listener = socket.create_server((self._host, self._port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise _cannot_listen(self._host, self._port, error) from error
        self._bound_port = listener.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Session(self),
            sock=listener,
            start_serving=False,
            ssl=self._tls,
            ssl_handshake_timeout=self.limits.setup_timeout_s if self._tls else None,
        )

    async def run(self) -> None:
        """Serve until cancelled; then every publication ends with STOPPED, and its task may finish."""
        server = self._server
        if server is None:
            raise RuntimeError("call RtmpServer.open() before run()")
        try:
            await server.start_serving()  # listens again, harmlessly, and begins to accept
            await self._sweep()
        finally:
            server.close()
            for session in tuple(self._sessions):
                session.stop(SHUTTING_DOWN)
            await self.reception.stop()
            for session in tuple(self._sessions):
                session.abort()

    # What sessions call.

    def joined(self, session: Session) -> bool:
        """A connection was made; False when there is no room for it."""
        if len(self._sessions) >= self.limits.max_connections:
            self.counts["over_limit"] += 1
            return False
        self._sessions.add(session)
        return True

    def left(self, session: Session) -> None:
        """A connection is gone."""
        self._sessions.discard(session)

    def request(self, session: Session, key: str) -> Publishing | Refusal:
        """Judge a publish."""
        return self.reception.request(key, session.new_publishing)

    def over(self, publishing: Publishing, ended: Ended) -> None:
        """A publication has ended."""
        self.reception.over(publishing, ended)

    async def _sweep(self) -> None:
        """Notice what has been silent for too long. One timer for all, however many connections there are."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = self.monotonic()
            for session in tuple(self._sessions):
                session.check(now)


def _cannot_listen(host: str, port: int, error: OSError) -> WorldBroke:
    what = f"Could not listen for RTMP publishers on {host}:{port}:"
    if error.errno == errno.EADDRINUSE:
        return WorldBroke(
            f"{what} another program has this port.",
            hint="Stop it, or choose another RTMP port.",
            code="port_taken",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return WorldBroke(f"{what} not permitted.", hint="Choose a port above 1023.", code="port_forbidden")
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return WorldBroke(f"{what} this machine has no such address.", hint="Choose one of its own addresses.")
    return WorldBroke(f"{what} {error.strerror or error}.")
