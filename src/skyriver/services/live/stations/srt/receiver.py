"""The thread that reads SRT sockets: they are libsrt's own, not the system's, and no event loop can wait for them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from skyriver.services.live.stations.srt.library import BROKEN, READABLE, Library

_WAIT_MS = 250  # how late a stop may be noticed
_GATHER_S = 0.004  # what comes meanwhile is handed over in one go; SRT itself holds packets for 120 ms and more
_MOST_BYTES = 256 << 10  # of one connection in one go

log = logging.getLogger(__name__)


@dataclass
class Harvest:
    """What was received since the last one."""

    arrived: list[tuple[int, str, bytes]] = field(default_factory=list)
    """New connections: socket, peer, stream id. They are watched from now on."""
    data: dict[int, bytes] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    """Connections that are over; their sockets are closed."""

    @property
    def size_bytes(self) -> int:
        return sum(len(piece) for piece in self.data.values())


class Receiver:
    """Waits for sockets, reads them, and hands over what it read.

    Args:
        hand_over: called on the receiver's thread with each harvest; it must not wait.
    """

    def __init__(self, srt: Library, listener: int, hand_over: Callable[[Harvest], None], *, max_unread_bytes: int):
        self._srt = srt
        self._listener = listener
        self._hand_over = hand_over
        self._max_unread_bytes = max_unread_bytes
        self._handed_bytes = 0  # written by the thread only
        self._taken_bytes = 0  # written by the loop only
        self._stopping = False
        self._epoll = srt.epoll()
        srt.watch(self._epoll, listener, READABLE | BROKEN)
        self._buffer = srt.new_buffer()
        self._thread = threading.Thread(target=self._run, name="srt", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def taken(self, size_bytes: int) -> None:
        """The loop has dealt with this much."""
        self._taken_bytes += size_bytes

    def pause(self, connection: int, paused: bool) -> None:
        """Stop or go on reading a connection."""
        self._srt.watch(self._epoll, connection, BROKEN if paused else READABLE | BROKEN)

    def drop(self, connection: int) -> None:
        """Close a connection from our side."""
        self._srt.unwatch(self._epoll, connection)
        self._srt.close(connection)

    def stop(self) -> None:
        """Accept and read nothing any more; returns when the thread has ended."""
        self._stopping = True
        self._srt.close(self._listener)
        if self._thread.is_alive():
            self._thread.join()
        self._srt.release(self._epoll)

    def _run(self) -> None:
        while not self._stopping:
            ready = self._srt.wait(self._epoll, _WAIT_MS)
            if not ready or self._handed_bytes - self._taken_bytes > self._max_unread_bytes:
                time.sleep(_GATHER_S)
                continue
            harvest = Harvest()
            for connection, events in ready:
                if connection == self._listener:
                    self._accept(harvest)
                else:
                    self._read(connection, events, harvest)
            self._handed_bytes += harvest.size_bytes
            self._hand_over(harvest)
            time.sleep(_GATHER_S)

    def _accept(self, harvest: Harvest) -> None:
        while not self._stopping and (arrived := self._srt.accept(self._listener)) is not None:
            harvest.arrived.append(arrived)
            self._srt.watch(self._epoll, arrived[0], READABLE | BROKEN)

    def _read(self, connection: int, events: int, harvest: Harvest) -> None:
        pieces, size_bytes, received = [], 0, 0
        if events & READABLE:
            while size_bytes < _MOST_BYTES and (received := self._srt.receive(connection, self._buffer)) > 0:
                pieces.append(self._buffer.raw[:received])
                size_bytes += received
        if pieces:
            harvest.data[connection] = b"".join(pieces)
        if received < 0 or (events & BROKEN and not events & READABLE):
            harvest.gone.append(connection)
            self.drop(connection)
