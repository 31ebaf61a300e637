"""A real server on a real port, and real encoders in front of it, for tests."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from skyriver.services.live.stations import KeyRing, MediaEvent, Publication, Publishing, key_sha256
from skyriver.services.live.stations.reception import Reception, Serve
from skyriver.services.live.stations.rtmp import Limits, RtmpServer

H264_AAC = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac")


@dataclass
class Recorder:
    """Takes every publication and keeps what it said; `done` has each one when it is over."""

    publications: list[tuple[Publishing, list[MediaEvent]]] = field(default_factory=list)
    done: asyncio.Queue[tuple[Publishing, list[MediaEvent]]] = field(default_factory=asyncio.Queue)
    begun: asyncio.Queue[Publishing] = field(default_factory=asyncio.Queue)
    first_event: asyncio.Queue[Publishing] = field(default_factory=asyncio.Queue)

    async def __call__(self, publishing: Publishing) -> None:
        events: list[MediaEvent] = []
        self.publications.append((publishing, events))
        self.begun.put_nowait(publishing)
        async for event in publishing:
            if not events:
                self.first_event.put_nowait(publishing)
            events.append(event)
        self.done.put_nowait((publishing, events))


def keys(*channels: Publication) -> KeyRing:
    """A ring where the key of channel `x` is `key-x`; without arguments, `good` opens `ch_test`."""
    ring = KeyRing()
    pairs = [(channel, [key_sha256(f"key-{channel.channel_id}")]) for channel in channels]
    ring.replace(pairs or [(Publication("ch_test"), [key_sha256("good")])])
    return ring


@asynccontextmanager
async def door(
    serve: Serve,
    *,
    ring: KeyRing | None = None,
    limits: Limits | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[RtmpServer]:
    """A running server; stopped, and everything with it, at the end."""
    reception = Reception(ring or keys(), serve, monotonic=monotonic)
    server = RtmpServer(reception, port=0, limits=limits)
    await server.open()
    running = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        running.cancel()
        await asyncio.wait((running,))


async def ffmpeg_push(
    url: str, *codecs: str, seconds: float = 3, real_time: bool = False, program: str = "ffmpeg", form: str = "flv"
) -> tuple[int, str]:
    """Push a test picture and a tone; returns ffmpeg's exit status and what it told its user."""
    pace = ("-re",) if real_time else ()
    process = await asyncio.create_subprocess_exec(
        *(program, "-hide_banner", "-nostdin", "-loglevel", "warning", *pace),
        *("-f", "lavfi", "-i", "testsrc=s=320x180:r=25", *pace, "-f", "lavfi", "-i", "sine"),
        *("-t", str(seconds), *(codecs or H264_AAC), "-f", form, url),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, told = await process.communicate()
    except BaseException:
        process.kill()
        raise
    assert process.returncode is not None
    return process.returncode, told.decode(errors="replace")


def reset_on_close(connection: socket.socket) -> None:
    """From now on, closing this socket sends a TCP reset, at once."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    """Everything until the server hangs up, by end of file or by reset."""
    received = bytearray()
    try:
        while data := await reader.read(65536):
            received += data
    except ConnectionError:
        pass
    return bytes(received)
