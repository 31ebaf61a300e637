"""A small RTMP client, to compare with: publishes synthetic video to a server and plays it back (RTMP 1.0).

Each video message carries the moment it was written, so that a player knows the age of what it gets. The server
never looks into it: nginx-rtmp passes NAL units through.
"""

from __future__ import annotations

import asyncio
import os
import struct
import time
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any

from skyriver.kernel.errors import WorldBroke
from skyriver.services.live.stations.rtmp import amf0
from skyriver.services.live.stations.rtmp.chunks import (
    COMMAND_AMF0,
    SET_CHUNK_SIZE,
    VIDEO,
    ChunkReader,
    Message,
    write_message,
)
from skyriver.services.live.stations.rtmp.limits import Limits

HANDSHAKE_BYTES = 1536
CHUNK_BYTES = 65_536
STEP_TIMEOUT_S = 5.0
_COMMAND_CHUNKS, _VIDEO_CHUNKS = 3, 6
_STAMP = struct.Struct(">Q")
# AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1) of a 1280x720 baseline stream: servers keep and repeat it.
_SPS, _PPS = (
    bytes.fromhex("6742c01fd9005005bb01100000030010000003 03c0f1832480".replace(" ", "")),
    bytes.fromhex("68cb8cb2"),
)
_AVCC = (
    b"\x01\x42\xc0\x1f\xff\xe1" + len(_SPS).to_bytes(2, "big") + _SPS + b"\x01" + len(_PPS).to_bytes(2, "big") + _PPS
)
_SEQUENCE_HEADER = b"\x17\x00\x00\x00\x00" + _AVCC
_KEY_FRAME, _INTER_FRAME = b"\x17\x01\x00\x00\x00", b"\x27\x01\x00\x00\x00"
_STAMP_AT = len(_KEY_FRAME) + 4 + 1  # after FLV's header, the NAL unit's length and its type


class RtmpClient:
    """One connection. Use it as an async context manager, then `publish` or `play`."""

    def __init__(self, host: str, port: int, app: str) -> None:
        self._host, self._port, self._app = host, port, app
        self._chunks = ChunkReader(Limits())
        self._chunks.media_allowed = True
        self._stream_id = 0

    async def __aenter__(self) -> RtmpClient:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
            await self._handshake()
            self._send(SET_CHUNK_SIZE, CHUNK_BYTES.to_bytes(4, "big"), chunk_stream_id=2)
            url = f"rtmp://{self._host}:{self._port}/{self._app}"
            await self._call("connect", 1, {"app": self._app, "tcUrl": url, "flashVer": "LNX 9,0,124,2"})
            self._stream_id = int((await self._call("createStream", 2, None))[3])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def publish(self, name: str) -> None:
        """Become the publisher of `name`; returns once the server agrees."""
        async with asyncio.timeout(STEP_TIMEOUT_S):
            self._command("publish", 3, None, name, "live")
            await self._status("NetStream.Publish.Start")
        self._send(VIDEO, _SEQUENCE_HEADER, chunk_stream_id=_VIDEO_CHUNKS, stream_id=self._stream_id)

    async def write(self, size_bytes: int, timestamp_ms: int, *, keyframe: bool) -> None:
        """Send one frame of `size_bytes`, stamped with the monotonic clock."""
        stamp = _STAMP.pack(time.monotonic_ns())
        unit = (b"\x65" if keyframe else b"\x41") + stamp
        unit += b"\xaa" * max(0, size_bytes - len(unit))
        body = (_KEY_FRAME if keyframe else _INTER_FRAME) + len(unit).to_bytes(4, "big") + unit
        self._send(VIDEO, body, chunk_stream_id=_VIDEO_CHUNKS, stream_id=self._stream_id, timestamp_ms=timestamp_ms)
        await self._writer.drain()

    async def play(self, name: str) -> AsyncIterator[float]:
        """The age in ms of each frame as it arrives, until the server ends the stream."""
        self._command("play", 4, None, name, -1000)
        async for message in self._messages():
            if message.type_id == VIDEO and len(message.body) > _STAMP_AT + _STAMP.size and message.body[1] == 1:
                sent_ns = _STAMP.unpack_from(message.body, _STAMP_AT)[0]
                yield (time.monotonic_ns() - sent_ns) / 1e6

    async def discard(self) -> None:
        """Read and forget what the server says to a publisher, so that its socket never fills."""
        async for _ in self._messages():
            pass

    async def _handshake(self) -> None:
        self._writer.write(b"\x03" + bytes(8) + os.urandom(HANDSHAKE_BYTES - 8))
        answer = await self._reader.readexactly(1 + 2 * HANDSHAKE_BYTES)
        self._writer.write(answer[1 : 1 + HANDSHAKE_BYTES])

    async def _call(self, name: str, number: int, argument: Mapping[str, Any] | None) -> list[Any]:
        self._command(name, number, argument)
        async for values in self._commands():
            if values[0] == "_result" and values[1] == number:
                return values
            if values[0] == "_error":
                raise WorldBroke(f"The RTMP server refused {name}: {values[2:]}.")
        raise WorldBroke(f"The RTMP server hung up instead of answering {name}.")

    async def _status(self, wanted: str) -> None:
        async for values in self._commands():
            if values[0] == "onStatus" and isinstance(values[3], Mapping):
                if values[3].get("code") == wanted:
                    return
                raise WorldBroke(f"The RTMP server answered {values[3].get('code')}: {values[3].get('description')}.")
        raise WorldBroke(f"The RTMP server hung up before {wanted}.")

    async def _commands(self) -> AsyncIterator[list[Any]]:
        async for message in self._messages():
            if message.type_id == COMMAND_AMF0:
                yield list(amf0.decode(message.body))

    async def _messages(self) -> AsyncIterator[Message]:
        while data := await self._reader.read(CHUNK_BYTES):
            for message in self._chunks.feed(data):
                yield message

    def _command(self, *values: Any) -> None:
        self._send(COMMAND_AMF0, amf0.encode(*values), chunk_stream_id=_COMMAND_CHUNKS, stream_id=self._stream_id)

    def _send(
        self, type_id: int, body: bytes, *, chunk_stream_id: int, stream_id: int = 0, timestamp_ms: int = 0
    ) -> None:
        chunk_bytes = 128 if type_id == SET_CHUNK_SIZE else CHUNK_BYTES
        self._writer.write(
            write_message(
                type_id,
                body,
                chunk_bytes=chunk_bytes,
                chunk_stream_id=chunk_stream_id,
                stream_id=stream_id,
                timestamp_ms=timestamp_ms,
            )
        )
