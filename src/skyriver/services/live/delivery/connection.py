"""One connection: requests in order, one response at a time, and nobody who can hold more than a response's memory.

Theory of operation
-------------------
Bytes come into a bounded buffer. When no response is due and the peer reads what it is sent, the next head is taken
out of the buffer and answered: at once, or later (a request for something that does not exist yet). Pipelined
requests wait in the buffer; when it is full, the socket is not read.

A peer that does not read is noticed by the transport's buffer, which stays above its mark: nothing more is sent to it,
and when nothing has left for `STALL_S`, it is dropped. Other connections never wait for it. A peer that sends a head
byte by byte has `HEAD_S` for it. Time-outs are looked at once a second for all connections (`tick`): a timer of
its own for each would cost more than the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from skyriver.services.live.delivery.http import MAX_HEAD_BYTES, BadRequest, Request, Response, parse_head, refusal

MAX_BUFFERED_BYTES = 32 * 1024
HIGH_WATER_BYTES = 128 * 1024
HEAD_S = 10.0
IDLE_S = 60.0
"""Players of plain HLS ask every few seconds; browsers keep a connection that long."""
STALL_S = 10.0
DRAIN_S = 60.0
"""The longest that one response may take: a segment at a thirtieth of the bit rate it is made for is of no use."""

_KEEP = b"\r\n"
_CLOSE = b"Connection: close\r\n\r\n"


class Account(Protocol):
    """Whom bytes are charged to."""

    bytes_sent: int
    bytes_received: int


class Later(Protocol):
    """A response that is due; `cancel` when nobody wants it any more."""

    def cancel(self) -> None: ...


Handler = Callable[[Request, "Connection"], "Response | Later"]
"""Answers a request, now or later through `Connection.answer`. Sets `Connection.account`."""


class Connection(asyncio.Protocol):
    """See the module's text. `on_begin` is called once it is open (asyncio makes a protocol for each TLS handshake, and
    tells it nothing where that fails), `on_end` once when it is closed.

    Attributes:
        peer: the other end's address, once it is open.
        handler: may be changed between requests.
        last: whether the next response ends it, whatever was asked.
    """

    def __init__(
        self,
        handler: Handler,
        now_s: Callable[[], float],
        on_end: Callable[[Connection], None],
        on_begin: Callable[[Connection], None] = lambda connection: None,
    ) -> None:
        self.account: Account | None = None
        self.peer = ""
        self.handler = handler
        self.last = False
        self._now_s = now_s
        self._on_begin, self._on_end = on_begin, on_end
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._request: Request | None = None
        self._later: Later | None = None
        self._paused = False
        self._reading = True
        self._closing = False
        self._since_s = now_s()  # when the state that time-outs look at began
        self._progress_s = 0.0
        self._unsent_bytes = 0

    # -- the transport ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no such class
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        peer = self._transport.get_extra_info("peername")
        self.peer = str(peer[0]) if peer else ""
        self._since_s = self._now_s()
        self._on_begin(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._buffer.clear()
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._on_end(self)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if not self._buffer and self._request is None:
            self._since_s = self._now_s()
        self._buffer += data
        if self._request is None and not self._paused:
            self._serve()
        if len(self._buffer) > MAX_BUFFERED_BYTES and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._paused = True
        self._since_s = self._progress_s = self._now_s()
        self._unsent_bytes = self._transport.get_write_buffer_size() if self._transport else 0

    def resume_writing(self) -> None:
        self._paused = False
        self._since_s = self._now_s()
        if self._request is None:
            self._serve()

    # -- requests --------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Answer what is in the buffer, as far as answers are there and the peer takes them."""
        while self._request is None and not (self._paused or self._closing):
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0 or end > MAX_HEAD_BYTES:
                if len(self._buffer) > MAX_HEAD_BYTES:
                    self._refuse(431, f"The request's head is longer than {MAX_HEAD_BYTES} bytes.")
                break
            head = bytes(self._buffer[:end])
            del self._buffer[: end + 4]
            try:
                request = parse_head(head)
            except BadRequest as error:
                self._refuse(error.status, error.why)
                break
            self._request = request
            answer = self.handler(request, self)
            if self.account is not None:
                self.account.bytes_received += end + 4
            if isinstance(answer, Response):
                self._send(answer)
            else:
                self._later = answer
        if not self._reading and len(self._buffer) <= MAX_BUFFERED_BYTES and self._transport is not None:
            self._reading = True
            self._transport.resume_reading()

    def answer(self, response: Response) -> None:
        """The response that was due."""
        self._later = None
        if self._request is not None and self._transport is not None:
            self._send(response)
            self._serve()

    def _refuse(self, status: int, why: str) -> None:
        self._request = Request("GET", "", "", keep_alive=False)
        self.account = None
        self._send(refusal(status, why))

    def _send(self, response: Response) -> None:
        request, self._request = self._request, None
        assert request is not None and self._transport is not None
        keep = request.keep_alive and not self.last
        end = _KEEP if keep else _CLOSE
        sent_bytes = len(response.head) + len(end)
        if request.method == "HEAD" or not response.chunks:
            self._transport.write(response.head + end)
        elif len(response.chunks) == 1 and response.size_bytes < 4096:
            self._transport.write(b"".join((response.head, end, response.chunks[0])))
            sent_bytes += response.size_bytes
        else:
            self._transport.writelines((response.head + end, *response.chunks))
            sent_bytes += response.size_bytes
        if self.account is not None:
            self.account.bytes_sent += sent_bytes
        self._since_s = self._now_s()
        if not keep:
            self._closing = True
            self._transport.close()

    # -- time ------------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> bool:
        """Close it if its time is over; whether it was."""
        if self._transport is None:
            return False
        if self._paused or self._closing:
            return self._drop_if_stuck(now_s)
        if self._request is not None:  # what is waited for has its own time-out
            return False
        if now_s - self._since_s < (HEAD_S if self._buffer else IDLE_S):
            return False
        self._transport.close()
        self._closing = True
        return True

    def _drop_if_stuck(self, now_s: float) -> bool:
        assert self._transport is not None
        unsent_bytes = self._transport.get_write_buffer_size()
        if unsent_bytes < self._unsent_bytes or self._progress_s == 0.0:
            self._progress_s = now_s
        self._unsent_bytes = unsent_bytes
        if now_s - self._progress_s < STALL_S and now_s - self._since_s < DRAIN_S:
            return False
        self._transport.abort()
        return True

    def close(self) -> None:
        """The server ends; what was written is still sent."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()
