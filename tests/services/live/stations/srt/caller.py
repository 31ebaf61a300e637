"""An SRT caller for tests, through the same libsrt: connects with any stream id, and sends any bytes."""

from __future__ import annotations

import asyncio
import ctypes
from types import TracebackType

from skyriver.services.live.stations.srt.library import load

_PASSPHRASE, _STREAMID = 26, 46
PAYLOAD_BYTES = 1316


class Rejected(Exception):
    """The listener did not let us in. `code` is libsrt's, or the application's from 1000 on."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class Caller:
    """One connection. Blocking calls run in threads: the server lives in this process."""

    def __init__(self, port: int, stream_id: str, passphrase: str = "") -> None:
        load()
        self._c = ctypes.CDLL(load()._c._name)
        self._port = port
        self._socket: int = self._c.srt_create_socket()
        self._set(_STREAMID, stream_id.encode())
        if passphrase:
            self._set(_PASSPHRASE, passphrase.encode())

    async def __aenter__(self) -> Caller:
        await asyncio.to_thread(self._connect)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._c.srt_close, self._socket)

    async def send(self, data: bytes) -> bool:
        """Send in messages; False when the listener has closed the connection."""
        return await asyncio.to_thread(self._send, data)

    def _connect(self) -> None:
        address = b"\2\0" + self._port.to_bytes(2, "big") + bytes((127, 0, 0, 1)) + bytes(8)
        if self._c.srt_connect(self._socket, address, len(address)) < 0:
            code = self._c.srt_getrejectreason(self._socket)
            self._c.srt_close(self._socket)
            raise Rejected(code)

    def _send(self, data: bytes) -> bool:
        pieces = (data[at : at + PAYLOAD_BYTES] for at in range(0, len(data), PAYLOAD_BYTES))
        return all(self._c.srt_sendmsg(self._socket, piece, len(piece), -1, 1) >= 0 for piece in pieces)

    def _set(self, option: int, value: bytes) -> None:
        self._c.srt_setsockflag(self._socket, option, value, len(value))
