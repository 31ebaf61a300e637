"""AMF0 (Adobe, "Action Message Format -- AMF 0", 2007): the values of RTMP commands and metadata.

Decoding is bounded: by the message's length, and in depth, so that hostile nesting cannot exhaust the stack.
References (marker 7) are not resolved: no encoder sends them, and cycles would have to be guarded against.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from skyriver.services.live.stations.rtmp.errors import MalformedRtmp

Value = float | bool | str | None | Mapping[str, "Value"] | Sequence["Value"]

MAX_DEPTH = 16  # metadata nests two deep; Python's own recursion limit is far away

_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _UNDEFINED = 0, 1, 2, 3, 5, 6
_REFERENCE, _ECMA_ARRAY, _OBJECT_END, _STRICT_ARRAY, _DATE, _LONG_STRING = 7, 8, 9, 10, 11, 12
_UNSUPPORTED, _XML, _TYPED_OBJECT = 13, 15, 16
_DOUBLE = struct.Struct(">d")


def decode(data: bytes | bytearray | memoryview) -> list[Value]:
    """Every value in `data`. Raises MalformedRtmp where the bytes are not AMF0."""
    reader = _Reader(bytes(data))
    values: list[Value] = []
    while not reader.at_end:
        values.append(reader.value(0))
    return values


def encode(*values: Value) -> bytes:
    """The values, one after the other. Numbers are doubles, mappings are anonymous objects."""
    out = bytearray()
    for value in values:
        _write(out, value, 0)
    return bytes(out)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._data)

    def value(self, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise MalformedRtmp(f"An AMF0 value nests deeper than {MAX_DEPTH} levels.")
        marker = self._take(1)[0]
        if marker == _NUMBER:
            number: float = _DOUBLE.unpack(self._take(8))[0]
            return number
        if marker == _BOOLEAN:
            return self._take(1)[0] != 0
        if marker == _STRING:
            return self._text(2)
        if marker == _OBJECT:
            return self._properties(depth)
        if marker in (_NULL, _UNDEFINED, _UNSUPPORTED):
            return None
        if marker == _ECMA_ARRAY:
            self._take(4)  # the count is a hint (AMF0 2.10); the end marker decides
            return self._properties(depth)
        return self._rare_value(marker, depth)

    def _rare_value(self, marker: int, depth: int) -> Value:
        if marker == _STRICT_ARRAY:
            count = int.from_bytes(self._take(4), "big")
            if count > len(self._data) - self._at:
                raise MalformedRtmp("An AMF0 array claims more elements than its message has bytes.")
            return [self.value(depth + 1) for _ in range(count)]
        if marker == _DATE:
            millis: float = _DOUBLE.unpack(self._take(8))[0]
            self._take(2)  # time zone, reserved
            return millis
        if marker in (_LONG_STRING, _XML):
            return self._text(4)
        if marker == _TYPED_OBJECT:
            self._text(2)
            return self._properties(depth)
        if marker == _REFERENCE:
            self._take(2)
            return None
        raise MalformedRtmp(f"Byte 0x{marker:02x} is no AMF0 type.")

    def _properties(self, depth: int) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while True:
            name = self._text(2)
            if not name and self._at < len(self._data) and self._data[self._at] == _OBJECT_END:
                self._at += 1
                return found
            found[name] = self.value(depth + 1)

    def _text(self, length_bytes: int) -> str:
        length = int.from_bytes(self._take(length_bytes), "big")
        return self._take(length).decode("utf-8", "replace")

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise MalformedRtmp("An AMF0 value is cut off by the end of its message.")
        taken = self._data[self._at : end]
        self._at = end
        return taken


def _write(out: bytearray, value: Value, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"deeper than {MAX_DEPTH} levels")
    if value is None:
        out.append(_NULL)
    elif isinstance(value, bool):
        out += bytes((_BOOLEAN, value))
    elif isinstance(value, int | float):
        out.append(_NUMBER)
        out += _DOUBLE.pack(value)
    elif isinstance(value, str):
        _write_string(out, value)
    elif isinstance(value, Mapping):
        out.append(_OBJECT)
        for name, inner in value.items():
            encoded = name.encode()
            out += len(encoded).to_bytes(2, "big") + encoded
            _write(out, inner, depth + 1)
        out += bytes((0, 0, _OBJECT_END))
    else:
        out.append(_STRICT_ARRAY)
        out += len(value).to_bytes(4, "big")
        for inner in value:
            _write(out, inner, depth + 1)


def _write_string(out: bytearray, value: str) -> None:
    encoded = value.encode()
    if len(encoded) < 1 << 16:
        out.append(_STRING)
        out += len(encoded).to_bytes(2, "big")
    else:
        out.append(_LONG_STRING)
        out += len(encoded).to_bytes(4, "big")
    out += encoded
