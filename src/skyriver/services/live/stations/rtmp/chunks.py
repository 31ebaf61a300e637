"""RTMP's chunk stream (RTMP 1.0, 5.3): messages cut into interleaved chunks, both directions.

Rules of reading:
- A chunk's header is 1-3 bytes of format and chunk stream id, then 11, 7, 3 or 0 bytes (formats 0-3), then 4 bytes of
  extended timestamp where the 3-byte field is 0xFFFFFF. What a header leaves out is as in the chunk stream's last one.
- Format 0 carries a time, 1 and 2 a difference; format 3 at the start of a message repeats the field of the header
  before it, difference or not (5.3.1.2.4; ffmpeg relies on it).
- Format 3 within a message repeats the extended timestamp. Some encoders leave it out, so the four bytes are taken as
  a timestamp only when they equal the one expected (the rule SRS found).
- Set Chunk Size and Abort act here, at once. Everything else goes out as a Message.
"""

from __future__ import annotations

from collections.abc import Iterator

from skyriver.services.live.stations.rtmp.errors import MalformedRtmp
from skyriver.services.live.stations.rtmp.limits import Limits

SET_CHUNK_SIZE, ABORT, ACKNOWLEDGEMENT, USER_CONTROL, WINDOW_ACK_SIZE, SET_PEER_BANDWIDTH = 1, 2, 3, 4, 5, 6
AUDIO, VIDEO, DATA_AMF3, COMMAND_AMF3, DATA_AMF0, COMMAND_AMF0, AGGREGATE = 8, 9, 15, 17, 18, 20, 22

DEFAULT_CHUNK_BYTES = 128  # RTMP 1.0, 5.4.1
_EXTENDED = 0xFFFFFF
_WRAP = 0xFFFFFFFF
_HEADER_BYTES = (11, 7, 3, 0)


class Message:
    """One whole message. `body` is valid until the reader is fed again: copy what must live longer."""

    __slots__ = ("body", "stream_id", "timestamp_ms", "type_id")

    def __init__(self, type_id: int, stream_id: int, timestamp_ms: int, body: memoryview) -> None:
        self.type_id = type_id
        self.stream_id = stream_id
        self.timestamp_ms = timestamp_ms
        self.body = body


class _ChunkStream:
    """What the last header on one chunk stream said, and the message that is being put together."""

    __slots__ = ("body", "extended", "field", "length", "open", "stream_id", "timestamp_ms", "type_id")

    def __init__(self) -> None:
        self.timestamp_ms = 0
        self.field = 0  # the timestamp field of the last header that had one: a time or a difference
        self.extended = False
        self.length = 0
        self.type_id = 0
        self.stream_id = 0
        self.body = bytearray()
        self.open = False


class ChunkReader:
    """Bytes in, messages out. Memory is bounded by the limits, whatever lengths the headers claim."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._streams: dict[int, _ChunkStream] = {}
        self._current: _ChunkStream | None = None
        self._chunk_left = 0
        self._chunk_bytes = DEFAULT_CHUNK_BYTES
        self._stash = b""
        self._held_bytes = 0
        self.media_allowed = False
        """Before a publish is accepted, audio and video are held to the size of commands."""

    @property
    def held_bytes(self) -> int:
        """What waits here for the rest of its message."""
        return self._held_bytes + len(self._stash)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Message]:
        """Every message that `data` completes. Exhaust the iterator before `data` changes. Raises MalformedRtmp."""
        view = memoryview(self._stash + bytes(data)) if self._stash else memoryview(data)
        self._stash = b""
        at, end = 0, len(view)
        while True:
            if self._current is None:
                header_bytes = self._begin_chunk(view, at, end)
                if header_bytes == 0:
                    self._stash = bytes(view[at:])  # less than one header: 18 bytes at most
                    return
                at += header_bytes
            stream = self._current
            assert stream is not None
            left = self._chunk_left
            if end - at < left:
                self._hold(stream, view[at:end])
                self._chunk_left = left - (end - at)
                return
            piece = view[at : at + left]
            at += left
            self._current = None
            message = self._end_chunk(stream, piece)
            if message is not None:
                yield message

    def _hold(self, stream: _ChunkStream, piece: memoryview) -> None:
        self._held_bytes += len(piece)
        if self._held_bytes > max(self._limits.max_message_bytes, self._limits.max_command_bytes):
            raise MalformedRtmp("More unfinished messages than this server holds for one publisher.")
        stream.body += piece

    def _end_chunk(self, stream: _ChunkStream, piece: memoryview) -> Message | None:
        if not stream.body and len(piece) == stream.length:
            body = piece  # the usual case with large chunks: nothing was copied
        else:
            self._hold(stream, piece)
            if len(stream.body) < stream.length:
                return None
            body = memoryview(stream.body)
            stream.body = bytearray()
            self._held_bytes -= len(body)
        stream.open = False
        if stream.type_id == SET_CHUNK_SIZE:
            self._set_chunk_size(control_value(body))
            return None
        if stream.type_id == ABORT:
            self._abort(control_value(body))
            return None
        return Message(stream.type_id, stream.stream_id, stream.timestamp_ms, body)

    def _set_chunk_size(self, value: int) -> None:
        if not 1 <= value <= 0x7FFFFFFF:
            raise MalformedRtmp(f"Set Chunk Size to {value}: it must be between 1 and 2147483647.")
        self._chunk_bytes = value

    def _abort(self, chunk_stream_id: int) -> None:
        stream = self._streams.get(chunk_stream_id)
        if stream is not None and stream.open:
            self._held_bytes -= len(stream.body)
            stream.body = bytearray()
            stream.open = False

    def _begin_chunk(self, view: memoryview, at: int, end: int) -> int:
        """Read one chunk header at `at`; returns its size, or 0 (and no change) when it is not all here yet."""
        start = at
        if at >= end:
            return 0
        fmt, chunk_stream_id = view[at] >> 6, view[at] & 63
        at += 1
        if chunk_stream_id < 2:
            if end - at < chunk_stream_id + 1:
                return 0
            extra = chunk_stream_id + 1
            chunk_stream_id = 64 + int.from_bytes(view[at : at + extra], "little")
            at += extra
        if end - at < _HEADER_BYTES[fmt]:
            return 0
        stream = self._streams.get(chunk_stream_id) or self._new_stream(chunk_stream_id, fmt)
        if fmt == 3:
            header_end = self._continue_stream(stream, view, at, end)
        else:
            header_end = self._read_header(stream, fmt, view, at, end)
        if header_end == 0:
            return 0
        self._current = stream
        self._chunk_left = min(self._chunk_bytes, stream.length - len(stream.body))
        return header_end - start

    def _new_stream(self, chunk_stream_id: int, fmt: int) -> _ChunkStream:
        if fmt > 1:  # format 1 is tolerated: librtmp opens its control stream with it
            raise MalformedRtmp(f"Chunk stream {chunk_stream_id} begins with format {fmt}, which refers to nothing.")
        if len(self._streams) >= self._limits.max_chunk_streams:
            raise MalformedRtmp(f"More than {self._limits.max_chunk_streams} chunk streams on one connection.")
        stream = self._streams[chunk_stream_id] = _ChunkStream()
        return stream

    def _read_header(self, stream: _ChunkStream, fmt: int, view: memoryview, at: int, end: int) -> int:
        if stream.open:
            raise MalformedRtmp("A new message begins on a chunk stream whose last one is not finished.")
        field = int.from_bytes(view[at : at + 3], "big")
        header_end = at + _HEADER_BYTES[fmt]
        extended = field == _EXTENDED
        if extended:
            if end - header_end < 4:
                return 0
            field = int.from_bytes(view[header_end : header_end + 4], "big")
            header_end += 4
        if fmt < 2:
            stream.length = int.from_bytes(view[at + 3 : at + 6], "big")
            stream.type_id = view[at + 6]
        if fmt == 0:
            stream.stream_id = int.from_bytes(view[at + 7 : at + 11], "little")
            stream.timestamp_ms = field
        else:
            stream.timestamp_ms = (stream.timestamp_ms + field) & _WRAP
        stream.field = field
        stream.extended = extended
        self._open_message(stream)
        return header_end

    def _continue_stream(self, stream: _ChunkStream, view: memoryview, at: int, end: int) -> int:
        if stream.extended:
            if end - at < 4:
                return 0
            if int.from_bytes(view[at : at + 4], "big") in (stream.field, stream.timestamp_ms):
                at += 4
        if not stream.open:
            stream.timestamp_ms = (stream.timestamp_ms + stream.field) & _WRAP
            self._open_message(stream)
        return at

    def _open_message(self, stream: _ChunkStream) -> None:
        media = stream.type_id in (AUDIO, VIDEO) and self.media_allowed
        limit_bytes = self._limits.max_message_bytes if media else self._limits.max_command_bytes
        if stream.length > limit_bytes:
            raise MalformedRtmp(
                f"A message of type {stream.type_id} with {stream.length} bytes: the limit is {limit_bytes}.",
                hint="Lower the encoder's bit rate or its keyframe size." if media else "",
            )
        stream.open = True


def control_value(body: memoryview) -> int:
    """The 32-bit value of a protocol control message (5.4)."""
    if len(body) < 4:
        raise MalformedRtmp("A protocol control message is shorter than four bytes.")
    return int.from_bytes(body[:4], "big")


def write_message(
    type_id: int, body: bytes, *, chunk_bytes: int, chunk_stream_id: int, stream_id: int = 0, timestamp_ms: int = 0
) -> bytes:
    """One message as chunks: a full header first, then continuations. For the few replies a server sends."""
    field = min(timestamp_ms, _EXTENDED)
    extended = timestamp_ms.to_bytes(4, "big") if field == _EXTENDED else b""
    out = bytearray((chunk_stream_id,))
    out += field.to_bytes(3, "big") + len(body).to_bytes(3, "big") + bytes((type_id,))
    out += stream_id.to_bytes(4, "little") + extended
    out += body[:chunk_bytes]
    for at in range(chunk_bytes, len(body), chunk_bytes):
        out += bytes((0xC0 | chunk_stream_id,)) + extended + body[at : at + chunk_bytes]
    return bytes(out)
