"""A publisher's side of RTMP, for tests: builds the bytes that encoders send, in every form they send them in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from skyriver.services.live.stations import Refusal
from skyriver.services.live.stations.rtmp import amf0
from skyriver.services.live.stations.rtmp.connection import Closed, Connection, Event, PublishRequested
from skyriver.services.live.stations.rtmp.limits import Limits

# libx264 and the native AAC encoder of ffmpeg wrote these: 1280x720 at 30 fps High, and 44.1 kHz mono AAC-LC.
AVC_RECORD = bytes.fromhex(
    "0164001fffe1001a6764001facd9405005bb0110000003001000000303c0f183196001000668ebe3cb22c0fdf8f800"
)
AAC_CONFIG = bytes.fromhex("120856e500")
IDR, SLICE = bytes.fromhex("6588840a"), bytes.fromhex("419a2107")
HANDSHAKE = b"\x03" + bytes(1536) + bytes(1536)


@dataclass
class ChunkWriter:
    """Messages to chunks with the shortest header RTMP allows, or a longer one when told."""

    chunk_bytes: int = 128
    _last: dict[int, tuple[int, int, int, int, int]] = field(default_factory=dict)

    def message(
        self, type_id: int, body: bytes, *, at_ms: int = 0, stream_id: int = 0, csid: int = 3, most_format: int = 3
    ) -> bytes:
        """`most_format` is the shortest header to use: 0 forces a full one."""
        fmt, stamp = 0, at_ms
        last = self._last.get(csid)
        if last is not None and last[0] == stream_id and at_ms >= last[1]:
            delta = at_ms - last[1]
            same_message = (last[2], last[3]) == (type_id, len(body))
            fmt = 1 if not same_message else 3 if delta == last[4] else 2
            if fmt > most_format:
                fmt = most_format if same_message or most_format < 2 else 1
            stamp = at_ms if fmt == 0 else delta
        self._last[csid] = (stream_id, at_ms, type_id, len(body), stamp)
        extended = stamp.to_bytes(4, "big") if stamp >= 0xFFFFFF else b""
        header = min(stamp, 0xFFFFFF).to_bytes(3, "big") if fmt < 3 else b""
        if fmt < 2:
            header += len(body).to_bytes(3, "big") + bytes((type_id,))
        if fmt == 0:
            header += stream_id.to_bytes(4, "little")
        out = _basic(fmt, csid) + header + extended + body[: self.chunk_bytes]
        for at in range(self.chunk_bytes, len(body), self.chunk_bytes):
            out += _basic(3, csid) + extended + body[at : at + self.chunk_bytes]
        return out

    def command(self, name: str, transaction: float, *values: amf0.Value, stream_id: int = 0) -> bytes:
        return self.message(20, amf0.encode(name, transaction, *values), stream_id=stream_id)


def _basic(fmt: int, csid: int) -> bytes:
    if csid < 64:
        return bytes((fmt << 6 | csid,))
    if csid < 320:
        return bytes((fmt << 6, csid - 64))
    return bytes((fmt << 6 | 1, (csid - 64) & 255, csid - 64 >> 8))


def video_header(record: bytes = AVC_RECORD) -> bytes:
    return b"\x17\x00\0\0\0" + record


def video_frame(*nals: bytes, keyframe: bool = False, offset_ms: int = 0) -> bytes:
    units = b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)
    return bytes((0x17 if keyframe else 0x27, 1)) + (offset_ms & 0xFFFFFF).to_bytes(3, "big") + units


def audio_header(config: bytes = AAC_CONFIG) -> bytes:
    return b"\xaf\x00" + config


def audio_frame(payload: bytes = b"\x21\x10\x04") -> bytes:
    return b"\xaf\x01" + payload


def setup(key: str = "good", *, app: str = "live", writer: ChunkWriter | None = None, **connect: amf0.Value) -> bytes:
    """Everything ffmpeg sends before its first frame."""
    w = writer or ChunkWriter()
    return (
        HANDSHAKE
        + w.command("connect", 1, {"app": app, "type": "nonprivate", "tcUrl": f"rtmp://h/{app}", **connect})
        + w.command("releaseStream", 2, None, key)
        + w.command("FCPublish", 3, None, key)
        + w.command("createStream", 4, None)
        + w.command("publish", 5, None, key, "live", stream_id=1)
    )


def whole_stream(key: str = "good", *, chunk_bytes: int = 128) -> bytes:
    """A short publication, from the handshake to deleteStream."""
    w = ChunkWriter()
    out = setup(key, writer=w)
    if chunk_bytes != 128:
        out += w.message(1, chunk_bytes.to_bytes(4, "big"), csid=2)
        w.chunk_bytes = chunk_bytes
    out += w.message(18, amf0.encode("@setDataFrame", "onMetaData", {"encoder": "test", "width": 1280.0}), csid=4)
    out += w.message(9, video_header(), csid=6, stream_id=1) + w.message(8, audio_header(), csid=4, stream_id=1)
    for i in range(6):
        nals = (IDR + bytes(300),) if i == 0 else (SLICE + bytes(100 + i),)
        out += w.message(9, video_frame(*nals, keyframe=i == 0, offset_ms=80), at_ms=40 * i, csid=6, stream_id=1)
        out += w.message(8, audio_frame(bytes(150)), at_ms=40 * i + 5, csid=4, stream_id=1)
    return out + w.command("FCUnpublish", 6, None, key) + w.command("deleteStream", 7, None, 1)


@dataclass
class Exchange:
    """A `Connection` with the answers a server gives: key `good` may publish."""

    limits: Limits = field(default_factory=Limits)
    now: float = 100.0
    events: list[Event] = field(default_factory=list)
    output: bytes = b""

    def __post_init__(self) -> None:
        self.connection = Connection(self.limits, self.now)

    def send(self, data: bytes) -> list[Event]:
        """Feed bytes; returns the new events."""
        before = len(self.events)
        for event in self.connection.receive(data, self.now):
            self._answer(event)
        self.output += self.connection.take_output()
        return self.events[before:]

    def _answer(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, PublishRequested):
            if event.key == "good":
                self.connection.accept(self.now)
            else:
                self.events.append(self.connection.refuse(Refusal("unknown key")))

    def expire(self) -> list[Event]:
        found = list(self.connection.expire(self.now))
        self.events += found
        self.output += self.connection.take_output()
        return found

    @property
    def closed(self) -> Closed | None:
        return next((event for event in self.events if isinstance(event, Closed)), None)


def fed_in_pieces(data: bytes, cuts: Iterable[int], limits: Limits | None = None) -> Exchange:
    """An exchange that received `data` cut at these places."""
    exchange = Exchange(limits or Limits())
    edges = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(edges):
        exchange.send(data[start:end])
    return exchange
