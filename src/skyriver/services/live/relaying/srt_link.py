"""One SRT connection to another place: as a file that a demuxer reads, and as a way out for a push.

libsrt resolves nothing here: it is given an address that was judged. Its reasons for a refusal get words.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable

from skyriver.services.live.relaying.addresses import SrtAddress, check_public
from skyriver.services.live.relaying.errors import FarSide
from skyriver.services.live.stations.srt import load
from skyriver.services.live.stations.srt.library import BROKEN, READABLE, SrtRejected

READ_TIMEOUT_S = 10.0
_POLL_MS = 250  # how late a stop may be noticed
_PASSPHRASE = "Check the passphrase in the URL."
_REASONS = {  # SRT_REJECT_REASON; from 1000 on the listener's own, named after HTTP's (access_control.h)
    2: ("refused the connection", "Check the stream id."),
    3: ("has no room", ""),
    5: ("has no room", ""),
    7: ("closed the connection", ""),
    8: ("speaks another version of SRT", ""),
    10: ("does not know this passphrase", _PASSPHRASE),
    11: ("wants a passphrase and was given none, or was given one and wants none", _PASSPHRASE),
    16: ("did not answer over SRT", "Check the port, and that its side listens (mode=listener)."),
    17: ("encrypts in another way", _PASSPHRASE),
    1400: ("does not understand the stream id", "Check the stream id."),
    1401: ("refused the stream id", "The stream key is wrong, expired or revoked."),
    1403: ("refused the stream id", "The stream key is wrong, expired or revoked."),
    1404: ("has no such stream", "Check the stream id."),
    1402: ("has no room", ""),
    1405: ("does not take callers of this kind", "Check the stream id: `m=publish` sends, `m=request` receives."),
    1409: ("has this stream from somebody else already", "Stop the other sender, or use another stream id."),
}


def call(to: SrtAddress, address: str) -> int:
    """A connection of libsrt's; blocks for some seconds at most.

    Raises:
        SrtMissing: libsrt is not on this machine.
        FarSide: nobody is there, or the answer was no.
    """
    try:
        return load().call(address, to.port, to.how)
    except SrtRejected as error:
        words, hint = _REASONS.get(error.reason, (f"refused the connection (reason {error.reason})", ""))
        raise FarSide(f"{to.where} {words}.", hint=hint) from error


class SrtFile(io.RawIOBase):
    """What a listener sends, as a file without an end. Blocking: it runs in the thread of the source.

    Raises (made):
        SrtMissing, FarSide, PrivateRelayAddress: it cannot be had.
    """

    def __init__(self, to: SrtAddress, *, allow_private: bool, stopped: Callable[[], bool]) -> None:
        srt = self._srt = load()
        try:
            found = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise FarSide(
                f"The name {to.host} could not be resolved: {error.strerror}.", code="no_such_host"
            ) from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        check_public(to.host, addresses, allow_private=allow_private)
        self._to = to
        self._stopped = stopped
        self._buffer = srt.new_buffer()
        self._connection: int | None = call(to, addresses[0])
        self._epoll = srt.epoll()
        srt.watch(self._epoll, self._connection, READABLE | BROKEN)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """The next message; empty when nobody wants it any more.

        Raises:
            FarSide: the far side has gone, or has fallen silent.
        """
        for _ in range(round(READ_TIMEOUT_S * 1000 / _POLL_MS)):
            if self._connection is None or self._stopped():
                return b""
            received = self._srt.receive(self._connection, self._buffer)
            if received > 0:
                return self._buffer.raw[:received]
            if received < 0:
                raise FarSide(f"{self._to.where} closed the connection.")
            self._srt.wait(self._epoll, _POLL_MS)
        raise FarSide(f"{self._to.where} has sent nothing for {READ_TIMEOUT_S:g} s.")

    def close(self) -> None:
        if self._connection is not None:
            self._srt.release(self._epoll)
            self._srt.close(self._connection)
            self._connection = None
        super().close()
