"""A small HTTP/1.1 server for signalling: a request is a few kilobytes, an answer too, and there are few of them.

It is here because a station has no web framework in its process, and because what strangers may send can be bounded
tightly: one request at a time on a connection, a few headers, a body of `max_body_bytes`. Parsing is httptools'.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast

import httptools

from skyriver.kernel.errors import WorldBroke

MAX_HEADERS, MAX_HEADER_BYTES = 64, 8 << 10
IDLE_S = 15.0  # from the last answer to a whole request, however steadily its bytes trickle in
MAX_CONNECTIONS = 512
TLS_HANDSHAKE_S = 10.0
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "OPTIONS, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Accept-Post",
    "Access-Control-Max-Age": "86400",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """One request; header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    peer: str

    @property
    def bearer(self) -> str:
        """The token of `Authorization: Bearer`; empty without one."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Response:
    """The answer."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "text/plain; charset=utf-8"

    def encode(self) -> bytes:
        """Its bytes; every answer closes the connection's request, not the connection."""
        body = self.body.encode()
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        headers = dict(CORS) | dict(self.headers)
        if body:
            headers["Content-Type"] = self.content_type
        if self.status != HTTPStatus.NO_CONTENT:
            headers["Content-Length"] = str(len(body))
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


Handler = Callable[[Request], Awaitable[Response]]


class HttpPort:
    """A port; `open` it, then `run`."""

    def __init__(
        self, handler: Handler, *, host: str, port: int, max_body_bytes: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self.handler = handler
        self.max_body_bytes = max_body_bytes
        self.connections: set[_Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._host, self._port, self._tls = host, port, tls
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The bound port."""
        if self._server is None:
            raise RuntimeError("HttpPort.open() has not been called")
        return cast(int, self._server.sockets[0].getsockname()[1])

    async def open(self) -> None:
        """Take the port.

        Raises:
            WorldBroke: another program has it (code `port_taken`), or this machine has no such address.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            listener = socket.create_server((self._host, self._port), family=family, backlog=64)
        except OSError as error:
            code = "port_taken" if error.errno == errno.EADDRINUSE else "cannot_listen"
            raise WorldBroke(
                f"Could not listen for HTTP on {self._host}:{self._port}: {error.strerror or error}.",
                hint="Stop the other program, or choose another port.",
                code=code,
            ) from error
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self),
            sock=listener,
            ssl=self._tls,
            ssl_handshake_timeout=TLS_HANDSHAKE_S if self._tls else None,
        )

    async def run(self) -> None:
        """Serve until cancelled."""
        assert self._server is not None
        try:
            while True:
                await asyncio.sleep(1.0)
                now_s = asyncio.get_running_loop().time()
                for connection in tuple(self.connections):
                    connection.check(now_s)
        finally:
            self._server.close()
            for connection in tuple(self.connections):
                connection.abort()
            for task in tuple(self.tasks):
                task.cancel()


class _Connection(asyncio.Protocol):
    def __init__(self, port: HttpPort) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._parser: Any = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._body = bytearray()
        self._busy = False
        self._over = False
        self._since_s = self._loop.time()  # when it was opened, or had its last answer

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername")
        self._peer = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else ""
        if len(self._port.connections) >= MAX_CONNECTIONS:
            self._transport.abort()
            return
        self._port.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._port.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        if self._busy:
            self._refuse(429, "One request at a time.")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "This server does not upgrade connections.")
        except (httptools.HttpParserError, UnicodeError):
            self._refuse(400, "This is no HTTP/1.1 request.")

    def check(self, now_s: float) -> None:
        if not self._busy and now_s - self._since_s > IDLE_S:
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # httptools

    def on_message_begin(self) -> None:
        if self._busy:  # pipelined in the same piece
            self._refuse(429, "One request at a time.")
        self._url, self._headers, self._body, self._header_bytes = b"", {}, bytearray(), 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        if len(self._headers) < MAX_HEADERS:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        if len(self._body) + len(body) > self._port.max_body_bytes:
            self._refuse(413, f"The body is larger than {self._port.max_body_bytes} bytes.")
            return
        self._body += body

    def on_message_complete(self) -> None:
        if self._over:
            return
        path, _, query = self._url.decode("latin-1").partition("?")
        method = self._parser.get_method().decode("latin-1")
        request = Request(method, path, query, self._headers, bytes(self._body), self._peer)
        keep = self._parser.should_keep_alive()
        self._busy = True
        task = self._loop.create_task(self._answer(request, keep))
        self._port.tasks.add(task)
        task.add_done_callback(self._port.tasks.discard)

    def _count(self, size_bytes: int) -> None:
        self._header_bytes += size_bytes
        if self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(431, "The headers are too large.")

    def _refuse(self, status: int, text: str) -> None:
        if not self._over and self._transport is not None:
            self._over = True
            self._transport.write(Response(status, text, {"Connection": "close"}).encode())
            self._transport.close()

    async def _answer(self, request: Request, keep: bool) -> None:
        try:
            response = await self._port.handler(request)
        except Exception:  # one request's fault is not the port's
            log.exception("answering a request failed", extra={"method": request.method})
            response = Response(500, "This server made a mistake; its log tells more.")
        self._busy = False
        self._since_s = self._loop.time()
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(response.encode())
        if not keep:
            self._over = True
            self._transport.close()
