"""The replies of an RTMP server (RTMP 1.0, 7.2), as bytes."""

from __future__ import annotations

from collections.abc import Mapping

from skyriver.services.live.stations.rtmp import amf0, chunks
from skyriver.services.live.stations.rtmp.errors import MalformedRtmp
from skyriver.services.live.stations.rtmp.flv import AUDIO_FOURCC, VIDEO_FOURCC

OUR_CHUNK_BYTES = 60_000  # announced to the publisher; ffmpeg mirrors it, and large chunks are what costs us least
OUR_WINDOW_BYTES = 2_500_000  # what Flash Media Server announces; encoders have only ever been tested against that

_CAN_DECODE = 1.0  # FourCcInfoMask
_MULTITRACK, _MOD_EX = 2.0, 4.0  # CapsExMask
_CONTROL_CHUNKS, _COMMAND_CHUNKS, _STATUS_CHUNKS = 2, 3, 5
_STREAM_BEGIN, PING_REQUEST, _PING_RESPONSE = 0, 6, 7


def connect_accepted(transaction: float, *, enhanced: bool) -> bytes:
    """Window, bandwidth, chunk size and `_result` of connect; only the last one is written in the new chunk size."""
    properties: dict[str, amf0.Value] = {"fmsVer": "FMS/3,5,7,7009", "capabilities": 31.0, "mode": 1.0}
    information: dict[str, amf0.Value] = _information("status", "NetConnection.Connect.Success", "Connected.")
    information["objectEncoding"] = 0.0
    if enhanced:  # Enhanced RTMP, "Enhancing NetConnection connect Command": what we take, for those who ask
        information["fourCcList"] = [*VIDEO_FOURCC, *AUDIO_FOURCC]
        information["videoFourCcInfoMap"] = {fourcc: _CAN_DECODE for fourcc in VIDEO_FOURCC}
        information["audioFourCcInfoMap"] = {fourcc: _CAN_DECODE for fourcc in AUDIO_FOURCC}
        information["capsEx"] = _MULTITRACK + _MOD_EX
    return (
        _control(chunks.WINDOW_ACK_SIZE, OUR_WINDOW_BYTES)
        + chunks.write_message(
            chunks.SET_PEER_BANDWIDTH,
            OUR_WINDOW_BYTES.to_bytes(4, "big") + b"\2",  # 2: dynamic, the publisher may keep its own
            chunk_bytes=chunks.DEFAULT_CHUNK_BYTES,
            chunk_stream_id=_CONTROL_CHUNKS,
        )
        + _control(chunks.SET_CHUNK_SIZE, OUR_CHUNK_BYTES)
        + _command("_result", transaction, properties, information)
    )


def connect_rejected(transaction: float, description: str) -> bytes:
    """`_error` of connect. Written before our chunk size was announced, hence in chunks of 128 bytes."""
    information = _information("error", "NetConnection.Connect.Rejected", description)
    body = amf0.encode("_error", transaction, None, information)
    return chunks.write_message(
        chunks.COMMAND_AMF0, body, chunk_bytes=chunks.DEFAULT_CHUNK_BYTES, chunk_stream_id=_COMMAND_CHUNKS
    )


def result(transaction: float, value: amf0.Value = None) -> bytes:
    """`_result` of any other command."""
    return _command("_result", transaction, None, value)


def on_fc(name: str, code: str) -> bytes:
    """onFCPublish or onFCUnpublish: old encoders wait for them."""
    return _command(name, 0.0, None, _information("status", code, ""))


def status(level: str, code: str, description: str, *, stream_id: int) -> bytes:
    """onStatus, what encoders show to people."""
    return chunks.write_message(
        chunks.COMMAND_AMF0,
        amf0.encode("onStatus", 0.0, None, _information(level, code, description)),
        chunk_bytes=OUR_CHUNK_BYTES,
        chunk_stream_id=_STATUS_CHUNKS,
        stream_id=stream_id,
    )


def stream_begin(stream_id: int) -> bytes:
    """User control: the stream is ours now."""
    return _user_control(_STREAM_BEGIN, stream_id.to_bytes(4, "big"))


def pong(body: memoryview) -> bytes:
    """The answer to a ping request: its own four bytes."""
    return _user_control(_PING_RESPONSE, bytes(body[2:6]))


def acknowledgement(received_bytes: int) -> bytes:
    """How much has come so far; wraps like every 32-bit counter of RTMP."""
    return _control(chunks.ACKNOWLEDGEMENT, received_bytes & 0xFFFFFFFF)


class Command:
    """A command message: name, transaction, command object and arguments."""

    def __init__(self, body: memoryview, *, amf3: bool) -> None:
        # AMF3 commands are AMF0 after one zero byte, in every encoder that sends them.
        values = amf0.decode(body[1:] if amf3 else body)
        if len(values) < 2 or not isinstance(values[0], str) or not isinstance(values[1], float):
            raise MalformedRtmp("A command without a name and a transaction number.")
        self.name: str = values[0]
        self.transaction: float = values[1]
        self._values = values[2:]

    @property
    def object(self) -> Mapping[str, amf0.Value]:
        """The command object; empty when it is null."""
        first = self._values[0] if self._values else None
        return first if isinstance(first, Mapping) else {}

    def text(self, index: int) -> str:
        """Argument `index` after the command object; empty when it is missing or no string."""
        value = self._values[index + 1] if index + 1 < len(self._values) else None
        return value if isinstance(value, str) else ""


def _information(level: str, code: str, description: str) -> dict[str, amf0.Value]:
    return {"level": level, "code": code, "description": description}


def _command(name: str, transaction: float, *values: amf0.Value) -> bytes:
    body = amf0.encode(name, transaction, *values)
    return chunks.write_message(chunks.COMMAND_AMF0, body, chunk_bytes=OUR_CHUNK_BYTES, chunk_stream_id=_COMMAND_CHUNKS)


def _control(type_id: int, value: int) -> bytes:
    return chunks.write_message(
        type_id, value.to_bytes(4, "big"), chunk_bytes=OUR_CHUNK_BYTES, chunk_stream_id=_CONTROL_CHUNKS
    )


def _user_control(event: int, data: bytes) -> bytes:
    return chunks.write_message(
        chunks.USER_CONTROL,
        event.to_bytes(2, "big") + data,
        chunk_bytes=OUR_CHUNK_BYTES,
        chunk_stream_id=_CONTROL_CHUNKS,
    )
