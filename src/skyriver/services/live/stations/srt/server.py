"""The SRT port: judges callers within their handshake, and gives each publication to a task of its own.

Three threads meet here. libsrt asks `_judge` on one of its own, before a caller is let in; the receiver reads sockets
and hands over what it read; everything else, above all every decision, happens on the event loop.
"""

from __future__ import annotations

import asyncio
import logging

from skyriver.services.live.stations.access import KeyRing, Refusal
from skyriver.services.live.stations.events import Ended, EndReason
from skyriver.services.live.stations.publishing import Publishing
from skyriver.services.live.stations.reception import BUSY, SHUTTING_DOWN, Reception
from skyriver.services.live.stations.srt import library as srt
from skyriver.services.live.stations.srt.library import Entry, Library, Offer
from skyriver.services.live.stations.srt.limits import Limits
from skyriver.services.live.stations.srt.receiver import Harvest, Receiver
from skyriver.services.live.stations.srt.session import Session
from skyriver.services.live.stations.srt.statistics import LinkStatistics
from skyriver.services.live.stations.srt.streamid import read_stream_id

_SWEEP_S = 0.25  # how late a time-out may be noticed

log = logging.getLogger(__name__)


class SrtServer:
    """Many publishers on one UDP port.

    Args:
        reception: who may publish, and what is done with what they send.
        keys: knows the passphrases of keys.
        host, port: where to listen; port 0 takes a free one.
        limits: what publishers may use.
    """

    def __init__(
        self, reception: Reception, keys: KeyRing, *, host: str = "127.0.0.1", port: int, limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits()
        self.monotonic = reception.monotonic
        self.reception = reception
        self._keys = keys
        self._host = host
        self._port = port
        self._sessions: dict[int, Session] = {}
        self._library: Library | None = None
        self._receiver: Receiver | None = None
        self._hook: object = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bound_port = 0

    @property
    def port(self) -> int:
        """The bound UDP port."""
        if self._receiver is None:
            raise RuntimeError("SrtServer.open() has not been called")
        return self._bound_port

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._sessions)

    @property
    def held_bytes(self) -> int:
        """Memory that publishers occupy here; libsrt's own buffers not counted."""
        return sum(session.held_bytes for session in self._sessions.values())

    async def open(self) -> None:
        """Take the port.

        Raises:
            SrtMissing: libsrt is not on this machine.
            SrtFailed: the port cannot be had (code `port_taken` when another program has it).
        """
        self._library = library = srt.load()
        self._loop = asyncio.get_running_loop()
        listener, self._bound_port, self._hook = library.listen(
            self._host,
            self._port,
            backlog=self.limits.backlog,
            latency_ms=self.limits.latency_ms,
            judge=self._judge,
        )
        self._receiver = Receiver(library, listener, self._hand_over, max_unread_bytes=self.limits.max_unread_bytes)

    async def run(self) -> None:
        """Serve until cancelled; then every publication ends with STOPPED."""
        receiver = self._receiver
        if receiver is None:
            raise RuntimeError("call SrtServer.open() before run()")
        receiver.start()
        try:
            while True:
                await asyncio.sleep(_SWEEP_S)
                now = self.monotonic()
                for session in tuple(self._sessions.values()):
                    session.check(now)
        finally:
            for session in tuple(self._sessions.values()):
                session.end(EndReason.STOPPED, SHUTTING_DOWN.description)
            await asyncio.to_thread(receiver.stop)

    # What sessions call.

    def pause(self, session: Session, paused: bool) -> None:
        """Stop or go on reading it."""
        if self._receiver is not None and session.connection in self._sessions:
            self._receiver.pause(session.connection, paused)

    def drop(self, session: Session) -> None:
        """Close its connection."""
        if self._sessions.pop(session.connection, None) is not None and self._receiver is not None:
            self._receiver.drop(session.connection)

    def over(self, publishing: Publishing, ended: Ended) -> None:
        """A publication has ended."""
        self.reception.over(publishing, ended)

    def statistics(self, session: Session) -> LinkStatistics | None:
        """What libsrt measures on its connection."""
        return self._library.statistics(session.connection) if self._library is not None else None

    # What comes from other threads.

    def _judge(self, offer: Offer) -> Entry:
        """On a thread of libsrt: let a caller in, or say why not. Everything read here is only ever replaced whole."""
        caller = read_stream_id(offer.stream_id)
        if not caller.publishes:
            return Entry(srt.BAD_MODE)
        if not caller.key:
            return Entry(srt.BAD_REQUEST)
        if len(self._sessions) >= self.limits.max_connections:
            return Entry(srt.OVERLOAD)
        verdict = self.reception.preview(caller.key)
        if isinstance(verdict, Refusal):
            if verdict is BUSY:
                self._call(lambda: self.reception.say_busy(caller.key))
                return Entry(srt.CONFLICT)
            return Entry(srt.DOWN if verdict is SHUTTING_DOWN else srt.UNAUTHORIZED)
        return Entry(passphrase=self._keys.srt_passphrase(caller.key))

    def _hand_over(self, harvest: Harvest) -> None:
        self._call(lambda: self._take(harvest))

    def _call(self, what: object) -> None:
        try:
            assert self._loop is not None and callable(what)
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:  # the loop has ended, and everything here with it
            pass

    def _take(self, harvest: Harvest) -> None:
        """On the event loop: what the receiver has read."""
        assert self._receiver is not None
        for connection, peer, stream_id in harvest.arrived:
            self._arrived(connection, peer, stream_id)
        for connection, data in harvest.data.items():
            if (session := self._sessions.get(connection)) is not None:
                session.received(data)
        for connection in harvest.gone:
            if (session := self._sessions.pop(connection, None)) is not None:
                session.lost()
        self._receiver.taken(harvest.size_bytes)

    def _arrived(self, connection: int, peer: str, stream_id: bytes) -> None:
        session = Session(self, connection, peer)
        self._sessions[connection] = session
        verdict = self.reception.request(read_stream_id(stream_id).key, session.publish)
        if isinstance(verdict, Refusal):  # what was right within the handshake has changed since
            log.info("publisher refused", extra={"peer": peer, "why": verdict.description})
            self.drop(session)
