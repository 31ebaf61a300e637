"""A server that answers from a script: for what a healthy API never does on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from skyriver.client import Cloud

HANG_UP = object()


def answer(status: int, body: Any = None, *, kind: str = "application/json", **headers: str) -> bytes:
    """One HTTP/1.1 answer, ready to be sent."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Scripted", f"content-type: {kind}", f"content-length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + content


@dataclass
class Asked:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """What to answer, in order, and what was asked."""

    url: str = ""
    answers: list[Any] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    @property
    def cloud(self) -> Cloud:
        return Cloud(self.url, token="sky_key_test")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append(Asked(head[0].removesuffix(" HTTP/1.1"), headers, body))
        wanted = self.answers.pop(0)
        if wanted is not HANG_UP:
            writer.write(wanted)
        writer.close()


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    """A scripted server on a port of its own."""
    script = Script()
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    async with server:
        script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield script
