"""The client's side of RTMP (Adobe's RTMP 1.0), publishing or playing, as a pure state machine: bytes in, bytes out.

    HANDSHAKE -> CONNECTING -> CREATING -> ASKED -> STREAMING
    any state -> CLOSED

- HANDSHAKE has sent C0 and C1; with S0, S1 and S2 it answers C2 and `connect`.
- CONNECTING waits for connect's `_result`, CREATING for createStream's (FMLE's releaseStream and FCPublish go with it,
  as every platform has only been tested against encoders that send them), ASKED for onStatus.
- STREAMING takes media from us (publishing) or yields what comes (playing). An onStatus of level "error" ends it, as
  does an `_error` in any state, and the end of what is played: `failure` says why, in the far side's own words.
- Pings are answered and bytes acknowledged in every state. Unknown messages are ignored.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from skyriver.services.live.stations.rtmp import amf0, chunks
from skyriver.services.live.stations.rtmp.commands import PING_REQUEST
from skyriver.services.live.stations.rtmp.handshake import PACKET_BYTES, VERSION
from skyriver.services.live.stations.rtmp.limits import Limits

CHUNK_BYTES = 4096  # what OBS sends: no platform refuses it
_CONTROL, _COMMANDS, _DATA, _AUDIO, _VIDEO = 2, 3, 5, 4, 6
_CHUNK_STREAMS = {chunks.AUDIO: _AUDIO, chunks.VIDEO: _VIDEO, chunks.DATA_AMF0: _DATA}
_CONNECT, _RELEASE, _FC_PUBLISH, _CREATE, _START = 1.0, 2.0, 3.0, 4.0, 5.0
_LIVE_OR_RECORDED = -2.0  # `play`'s start: the live stream of that name, else a recorded one
_STARTED = ("NetStream.Publish.Start", "NetStream.Play.Start", "NetStream.Play.Reset")
_OVER = ("NetStream.Play.UnpublishNotify", "NetStream.Play.Stop", "NetStream.Play.Complete")
_PONG = 7
_WORDS_MAX = 300
_FLASH_VERSION = "FMLE/3.0 (compatible; Skyriver)"


@dataclass(frozen=True, slots=True)
class RtmpTarget:
    """Which stream of a server. `tc_url` is the server's address without the key."""

    app: str
    tc_url: str
    stream: str = field(repr=False)


class State(Enum):
    HANDSHAKE = "handshake"
    CONNECTING = "connecting"
    CREATING = "creating"
    ASKED = "asked"
    STREAMING = "streaming"
    CLOSED = "closed"


class RtmpClient:
    """One connection. `take_output` after every call."""

    def __init__(self, target: RtmpTarget, *, play: bool = False, limits: Limits | None = None) -> None:
        self.state = State.HANDSHAKE
        self.failure = ""
        """Why it is CLOSED; the far side's words, or what it did."""
        self._target = target
        self._play = play
        self._reader = chunks.ChunkReader(limits or Limits())
        self._reader.media_allowed = play
        self._greeting = bytearray()
        self._output: list[bytes] = [bytes((VERSION,)) + bytes(8) + os.urandom(PACKET_BYTES - 8)]
        self._stream_id = 0
        self._received_bytes = 0
        self._acknowledged_bytes = 0
        self._window_bytes = 2_500_000

    def take_output(self) -> bytes:
        """Bytes for the far side, each once."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def receive(self, data: bytes) -> Iterator[chunks.Message]:
        """Take bytes; yields the audio and video messages of what is played. Exhaust it each time.

        Raises:
            MalformedRtmp: they are not RTMP.
        """
        self._received_bytes += len(data)
        if self.state is State.HANDSHAKE:
            data = self._greet(data)
        if self.state is not State.CLOSED and data:
            for message in self._reader.feed(data):
                if message.type_id in (chunks.AUDIO, chunks.VIDEO):
                    if self.state is State.STREAMING:
                        yield message
                else:
                    self._take(message)
        if self._received_bytes - self._acknowledged_bytes >= self._window_bytes:
            self._acknowledged_bytes = self._received_bytes
            self._control(chunks.ACKNOWLEDGEMENT, self._received_bytes & 0xFFFFFFFF)

    def media(self, kind: int, body: bytes, timestamp_ms: int) -> bytes:
        """One message of media or data, for the socket. Only while STREAMING."""
        return chunks.write_message(
            kind,
            body,
            chunk_bytes=CHUNK_BYTES,
            chunk_stream_id=_CHUNK_STREAMS[kind],
            stream_id=self._stream_id,
            timestamp_ms=timestamp_ms & 0xFFFFFFFF,
        )

    def goodbye(self) -> bytes:
        """What a publisher says before it leaves: the far side need not wait for it then."""
        if self.state is not State.STREAMING:
            return b""
        stream = self._target.stream
        if self._play:
            return _command("deleteStream", 7.0, None, float(self._stream_id))
        return _command("FCUnpublish", 6.0, None, stream) + _command("deleteStream", 7.0, None, float(self._stream_id))

    def _greet(self, data: bytes) -> bytes:
        self._greeting += data
        whole = 1 + 2 * PACKET_BYTES
        if len(self._greeting) < whole:
            return b""
        if self._greeting[0] != VERSION:
            self._fail("what answers there does not speak RTMP")
            return b""
        rest = bytes(self._greeting[whole:])
        self._output.append(bytes(self._greeting[1 : 1 + PACKET_BYTES]))
        self._greeting.clear()
        self._control(chunks.SET_CHUNK_SIZE, CHUNK_BYTES, chunk_bytes=chunks.DEFAULT_CHUNK_BYTES)
        connect: Mapping[str, amf0.Value] = {
            "app": self._target.app,
            "type": "nonprivate",
            "flashVer": _FLASH_VERSION,
            "tcUrl": self._target.tc_url,
        }
        self._output.append(_command("connect", _CONNECT, connect))
        self.state = State.CONNECTING
        return rest

    def _take(self, message: chunks.Message) -> None:
        if message.type_id == chunks.WINDOW_ACK_SIZE:
            self._window_bytes = max(chunks.control_value(message.body), 1)
        elif message.type_id == chunks.USER_CONTROL and len(message.body) >= 6:
            if int.from_bytes(message.body[:2], "big") == PING_REQUEST:
                pong = _PONG.to_bytes(2, "big") + bytes(message.body[2:6])
                self._output.append(_write(chunks.USER_CONTROL, pong, _CONTROL))
        elif message.type_id in (chunks.COMMAND_AMF0, chunks.COMMAND_AMF3):
            body = message.body[1:] if message.type_id == chunks.COMMAND_AMF3 else message.body
            values = amf0.decode(body)
            if len(values) >= 2 and isinstance(values[0], str) and isinstance(values[1], float):
                self._take_command(values[0], values[1], values[2:])

    def _take_command(self, name: str, transaction: float, values: list[amf0.Value]) -> None:
        if name == "_error" and transaction in (_CONNECT, _CREATE, _START):
            self._fail(_words(values) or "the far side refused the connection")
        elif name == "_result" and transaction == _CONNECT and self.state is State.CONNECTING:
            if not self._play:
                stream = self._target.stream
                self._output.append(_command("releaseStream", _RELEASE, None, stream))
                self._output.append(_command("FCPublish", _FC_PUBLISH, None, stream))
            self._output.append(_command("createStream", _CREATE, None))
            self.state = State.CREATING
        elif name == "_result" and transaction == _CREATE and self.state is State.CREATING:
            number = values[1] if len(values) > 1 else None
            self._stream_id = int(number) if isinstance(number, float) and 0 <= number < 1 << 32 else 1
            how = ("play", _LIVE_OR_RECORDED) if self._play else ("publish", "live")
            start = amf0.encode(how[0], _START, None, self._target.stream, how[1])
            self._output.append(_write(chunks.COMMAND_AMF0, start, _COMMANDS, stream_id=self._stream_id))
            self.state = State.ASKED
        elif name == "onStatus":
            self._take_status(values)

    def _take_status(self, values: list[amf0.Value]) -> None:
        information = next((value for value in values if isinstance(value, Mapping)), {})
        if information.get("level") == "error":
            self._fail(_words(values) or "the far side ended the stream")
        elif information.get("code") in _STARTED and self.state is State.ASKED:
            self.state = State.STREAMING
        elif self._play and information.get("code") in _OVER:
            self._fail("the stream there has ended")

    def _fail(self, words: str) -> None:
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            self.failure = words.replace(self._target.stream, "***") if len(self._target.stream) > 3 else words

    def _control(self, kind: int, value: int, *, chunk_bytes: int = CHUNK_BYTES) -> None:
        body = value.to_bytes(4, "big")
        self._output.append(chunks.write_message(kind, body, chunk_bytes=chunk_bytes, chunk_stream_id=_CONTROL))


def _words(values: list[amf0.Value]) -> str:
    """What the far side says for people, with its code; printable and short."""
    for value in values:
        if isinstance(value, Mapping):
            said = [text for key in ("description", "code") if isinstance(text := value.get(key), str) and text]
            text = " ".join(said[:1] if len(said) < 2 else (said[0], f"({said[1]})"))
            return "".join(c for c in text if c.isprintable())[:_WORDS_MAX]
    return ""


def _write(kind: int, body: bytes, chunk_stream_id: int, *, stream_id: int = 0) -> bytes:
    return chunks.write_message(
        kind, body, chunk_bytes=CHUNK_BYTES, chunk_stream_id=chunk_stream_id, stream_id=stream_id
    )


def _command(name: str, transaction: float, *values: amf0.Value) -> bytes:
    return _write(chunks.COMMAND_AMF0, amf0.encode(name, transaction, *values), _COMMANDS)
