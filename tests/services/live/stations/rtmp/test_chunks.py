from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyriver.services.live.stations.rtmp.chunks import ChunkReader, write_message
from skyriver.services.live.stations.rtmp.errors import MalformedRtmp
from skyriver.services.live.stations.rtmp.limits import Limits
from tests.services.live.stations.rtmp.wire import ChunkWriter

Seen = tuple[int, int, int, bytes]


def reader(limits: Limits | None = None) -> ChunkReader:
    found = ChunkReader(limits or Limits())
    found.media_allowed = True
    return found


def read(data: bytes, cuts: list[int] | None = None) -> list[Seen]:
    chunks, seen = reader(), []
    edges = [0, *sorted(cuts or []), len(data)]
    for start, end in pairwise(edges):
        for message in chunks.feed(bytearray(data[start:end])):
            seen.append((message.type_id, message.stream_id, message.timestamp_ms, bytes(message.body)))
    return seen


messages = st.lists(
    st.tuples(
        st.sampled_from([3, 4, 6, 64, 319, 320, 65599]),
        st.sampled_from([8, 9, 18, 20]),
        st.sampled_from([0, 5, 20])
        | st.integers(0, 0xFFFFFF)
        | st.sampled_from([0xFFFFFE, 0xFFFFFF, 0x1000000, 1 << 30]),
        st.binary(max_size=300),
        st.integers(0, 3),
    ),
    max_size=12,
)


@given(messages, st.integers(1, 200), st.data())
def test_round_trip_in_any_header_form_and_any_cut(
    sent: list[tuple[int, int, int, bytes, int]], chunk_bytes: int, data: st.DataObject
) -> None:
    writer, now, out, expected = ChunkWriter(), 0, b"", []
    out += writer.message(1, chunk_bytes.to_bytes(4, "big"), csid=2)
    writer.chunk_bytes = chunk_bytes
    for csid, type_id, step_ms, body, most_format in sent:
        now = (now + step_ms) % (1 << 32)
        out += writer.message(type_id, body, at_ms=now, stream_id=1, csid=csid, most_format=most_format)
        expected.append((type_id, 1, now, body))
    cuts = data.draw(st.lists(st.integers(0, len(out)), max_size=8))
    assert read(out, cuts) == expected


def test_specification_example_1() -> None:
    """RTMP 1.0, 5.3.2.1: four audio messages, the third and fourth with a header of one byte."""
    out = bytes.fromhex("03 0003e8 000020 08 39300000") + bytes(32)
    out += bytes.fromhex("83 000014") + bytes(32) + (b"\xc3" + bytes(32)) * 2
    assert [(kind, stream, at) for kind, stream, at, _ in read(out)] == [
        (8, 12345, 1000), (8, 12345, 1020), (8, 12345, 1040), (8, 12345, 1060)
    ]  # fmt: skip


def test_specification_example_2() -> None:
    """RTMP 1.0, 5.3.2.2: a message of 307 bytes in chunks of 128."""
    body = bytes(i % 251 for i in range(307))
    out = bytes.fromhex("04 0003e8 000133 09 3a300000") + body[:128]
    out += b"\xc4" + body[128:256] + b"\xc4" + body[256:]
    assert read(out) == [(9, 12346, 1000, body)]


def test_format_3_after_format_0_repeats_its_field_as_difference() -> None:
    """5.3.1.2.4; ffmpeg writes this when a frame's duration equals the first frame's time."""
    out = bytes.fromhex("03 000017 000001 08 01000000") + b"a" + b"\xc3b"
    assert [at for _, _, at, _ in read(out)] == [23, 46]


@pytest.mark.parametrize("repeated", [True, False])
def test_extended_timestamp_in_continuations_may_be_left_out(repeated: bool) -> None:
    body = bytes(range(200))
    extended = (0x01020304).to_bytes(4, "big")
    out = bytes.fromhex("04 ffffff 0000c8 09 01000000") + extended + body[:128]
    out += b"\xc4" + (extended if repeated else b"") + body[128:]
    for cuts in ([], list(range(len(out)))):
        assert read(out, cuts) == [(9, 1, 0x01020304, body)]


def test_interleaved_messages_of_two_chunk_streams() -> None:
    video, audio = bytes(range(250)), bytes(range(100, 230))
    v = ChunkWriter().message(9, video, csid=6, stream_id=1)
    a = ChunkWriter().message(8, audio, csid=4, stream_id=1)
    out = v[:140] + a[:140] + v[140:] + a[140:]
    assert [(kind, body) for kind, _, _, body in read(out)] == [(9, video), (8, audio)]


def test_abort_discards_the_half_message() -> None:
    writer = ChunkWriter()
    half = writer.message(9, bytes(200), csid=6, stream_id=1)[:140]
    chunks = reader()
    assert not list(chunks.feed(half))
    assert chunks.held_bytes == 128
    assert not list(chunks.feed(ChunkWriter().message(2, (6).to_bytes(4, "big"), csid=2)))
    assert chunks.held_bytes == 0
    again = ChunkWriter().message(9, b"whole", csid=6, stream_id=1)
    assert [bytes(message.body) for message in chunks.feed(again)] == [b"whole"]


def test_timestamp_wraps() -> None:
    out = bytes.fromhex("03 ffffff 000001 08 01000000 fffffff0") + b"a" + bytes.fromhex("83 000020") + b"b"
    assert [at for _, _, at, _ in read(out)] == [0xFFFFFFF0, 0x10]


@pytest.mark.parametrize(
    ("hostile", "words"),
    [
        (b"\xc3", "refers to nothing"),
        (b"\x83\0\0\0", "refers to nothing"),
        (b"\x03\0\0\0\xff\xff\xff\x14\0\0\0\0", "the limit is"),
        (b"\x03\0\0\0\xff\xff\xff\x09\0\0\0\0", "the limit is"),
        (b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\0\0", "Set Chunk Size"),
        (b"\x02\0\0\0\0\0\x02\x01\0\0\0\0\0\0", "shorter than four"),
        (b"\x03\0\0\0\0\1\0\x08\0\0\0\0" + bytes(128) + b"\x03\0\0\0\0\1\0\x08\0\0\0\0", "not finished"),
        (b"".join(bytes((csid, 0, 0, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0)) for csid in range(3, 60)), "chunk streams"),
    ],
)
def test_hostile_headers_are_refused(hostile: bytes, words: str) -> None:
    with pytest.raises(MalformedRtmp, match=words):
        list(reader().feed(hostile))


def test_unfinished_messages_are_bounded_together() -> None:
    limits = Limits(max_message_bytes=100_000, max_command_bytes=1000)
    chunks = reader(limits)
    with pytest.raises(MalformedRtmp, match="unfinished"):
        for csid in range(3, 13):
            header = bytes((csid, 0, 0, 0)) + (99_000).to_bytes(3, "big") + b"\x09\1\0\0\0"
            list(chunks.feed(b"\2\0\0\0\0\0\4\1\0\0\0\0" + (98_000).to_bytes(4, "big") + header + bytes(98_000)))


@given(st.binary(max_size=400))
def test_garbage_never_escapes(garbage: bytes) -> None:
    chunks = reader()
    try:
        list(chunks.feed(garbage))
    except MalformedRtmp as error:
        assert str(error)
    assert chunks.held_bytes <= len(garbage)


@given(st.binary(max_size=500), st.integers(0, (1 << 32) - 1), st.integers(1, 300))
def test_what_the_server_writes_reads_back(body: bytes, at_ms: int, chunk_bytes: int) -> None:
    out = ChunkWriter().message(1, chunk_bytes.to_bytes(4, "big"), csid=2)
    out += write_message(18, body, chunk_bytes=chunk_bytes, chunk_stream_id=5, stream_id=1, timestamp_ms=at_ms)
    assert read(out) == [(18, 1, at_ms, body)]
