"""One TCP connection: carries bytes between a socket and a `Connection`, and a publication's events to its reader."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable
from typing import Protocol, cast

from skyriver.services.live.stations.access import Publication, Refusal
from skyriver.services.live.stations.events import Ended, EndReason
from skyriver.services.live.stations.publishing import Publishing
from skyriver.services.live.stations.rtmp.connection import Closed, Connection, Event, PublishRequested, Unpublished
from skyriver.services.live.stations.rtmp.limits import Limits

log = logging.getLogger(__name__)


class Door(Protocol):
    """What a session asks of the server that it came in by."""

    limits: Limits
    monotonic: Callable[[], float]
    receive_buffer: memoryview
    counts: Counter[str]

    def joined(self, session: Session) -> bool:
        """A connection was made; False when there is no room for it."""

    def left(self, session: Session) -> None:
        """A connection is gone."""

    def request(self, session: Session, key: str) -> Publishing | Refusal:
        """Judge a publish."""

    def over(self, publishing: Publishing, ended: Ended) -> None:
        """A publication has ended."""


class Session(asyncio.BufferedProtocol):
    """The asyncio end of one publisher.

    A refused publisher is not hung up on: closing a socket with unread bytes makes TCP reset it, and the encoder
    would never see the reason. Instead we say why, send our end of file, and throw away what still comes until the
    publisher leaves or `Limits.close_linger_s` has passed.
    """

    def __init__(self, server: Door) -> None:
        self._server = server
        self._connection = Connection(server.limits, server.monotonic())
        self._transport: asyncio.Transport | None = None
        self._publishing: Publishing | None = None
        self._peer = ""
        self._hang_up_by: float | None = None
        self._feeding = False
        self._paused = False

    @property
    def held_bytes(self) -> int:
        """Unfinished messages and media nobody has read yet."""
        return self._connection.held_bytes + (self._publishing.queued_bytes if self._publishing else 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._peer = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else ""
        if not self._server.joined(self):
            log.warning("refused a connection: too many", extra={"peer": self._peer})
            self._transport.abort()
            return
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._server.receive_buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._hang_up_by is not None:
            return  # refused: what still comes is thrown away
        now = self._server.monotonic()
        self._feeding = True
        try:
            for event in self._connection.receive(self._server.receive_buffer[:nbytes], now):
                self._handle(event, now)
        finally:
            self._feeding = False
        self._flush()
        if self._connection.closed:
            self._begin_hang_up()

    def eof_received(self) -> bool:
        return False  # close our side too

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.left(self)
        self._end_publishing(Ended(EndReason.DISCONNECTED, "The encoder's connection was lost."))

    def new_publishing(self, publication: Publication, digest: str) -> Publishing:
        """The publication of this connection, from the moment its key is accepted."""
        return Publishing(
            publication,
            key_sha256=digest,
            peer=self._peer,
            limits=self._server.limits.queue,
            pause=self._pause,
            refuse=self._refuse_publishing,
            heard_at=lambda: self._connection.heard_at,
        )

    def stop(self, refusal: Refusal) -> None:
        """End this connection from our side."""
        self._refuse(EndReason.STOPPED, refusal)

    def check(self, now: float) -> None:
        """Act on deadlines: silence, an unfinished set-up, a refused publisher that does not leave."""
        if self._hang_up_by is not None:
            if now >= self._hang_up_by:
                self.abort()
            return
        if self._paused:
            self._connection.heard_at = now  # we are the ones who do not listen
        for event in self._connection.expire(now):
            self._handle(event, now)
            self._flush()
            self._begin_hang_up()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _handle(self, event: Event, now: float) -> None:
        publishing = self._publishing
        if isinstance(event, PublishRequested):
            verdict = self._server.request(self, event.key)
            if isinstance(verdict, Refusal):
                self._refuse(EndReason.REFUSED, verdict)
            else:
                self._publishing = verdict
                self._connection.accept(now)
        elif isinstance(event, Unpublished):
            self._end_publishing(Ended(EndReason.UNPUBLISHED))
        elif isinstance(event, Closed):
            if publishing is None:
                self._server.counts[event.ended.reason] += 1
                log.info("publisher refused", extra={"peer": self._peer, "why": event.ended.message})
            self._end_publishing(event.ended)
        elif publishing is not None:
            publishing.put(event)

    def _refuse_publishing(self, publishing: Publishing, reason: EndReason, refusal: Refusal) -> None:
        if publishing is self._publishing:
            self._refuse(reason, refusal)

    def _refuse(self, reason: EndReason, refusal: Refusal) -> None:
        if self._hang_up_by is not None or self._connection.closed:
            return
        self._handle(self._connection.refuse(refusal, reason), self._server.monotonic())
        if not self._feeding:  # else buffer_updated does it, when the iterator is exhausted
            self._flush()
            self._begin_hang_up()

    def _end_publishing(self, ended: Ended) -> None:
        publishing, self._publishing = self._publishing, None
        if publishing is not None:
            self._pause(False)
            self._server.over(publishing, ended)

    def _pause(self, paused: bool) -> None:
        if self._transport is None or paused == self._paused or self._transport.is_closing():
            return
        self._paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _flush(self) -> None:
        transport = self._transport
        output = self._connection.take_output()
        if transport is None or not output or transport.is_closing():
            return
        transport.write(output)
        if transport.get_write_buffer_size() > self._server.limits.max_unread_reply_bytes:
            log.info("publisher does not read our replies", extra={"peer": self._peer})
            transport.abort()

    def _begin_hang_up(self) -> None:
        if self._hang_up_by is not None or self._transport is None:
            return
        self._hang_up_by = self._server.monotonic() + self._server.limits.close_linger_s
        self._connection.take_output()
        if self._transport.is_closing() or not self._transport.can_write_eof():  # TLS has no half-closed connections
            return
        try:
            self._transport.write_eof()
        except OSError:  # it had left already, and our last words made the kernel dissolve the connection
            self._transport.abort()
