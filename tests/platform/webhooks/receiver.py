"""A real HTTP receiver for webhooks, on a port of this machine."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Received:
    """One request."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers with `status`, or with raw bytes; None: never."""

    port: int = 0
    status: int = 200
    answer: bytes | None = b""
    requests: list[Received] = field(default_factory=list)

    def url(self, path: str = "/hook", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *fields = head.strip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append(Received(line, headers, body))
            if self.answer is None:
                await reader.read()  # until the caller gives up
            else:
                said = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(self.answer)}\r\nconnection: close\r\n"
                location = "location: /elsewhere\r\n" if 300 <= self.status < 400 else ""
                writer.write(f"{said}{location}\r\n".encode() + self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver that listens while the block lasts."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
