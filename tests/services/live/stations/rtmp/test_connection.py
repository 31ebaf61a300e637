"""The protocol as a pure state machine: bytes and times in, events and bytes out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyriver.services.live.stations import (
    AudioConfig,
    AudioFrame,
    EndReason,
    MetaData,
    VideoConfig,
    VideoFrame,
)
from skyriver.services.live.stations.access import split_key
from skyriver.services.live.stations.rtmp import Limits, amf0
from skyriver.services.live.stations.rtmp.chunks import ChunkReader
from skyriver.services.live.stations.rtmp.connection import Closed, Connection, PublishRequested, State, Unpublished
from tests.services.live.stations.rtmp.wire import (
    HANDSHAKE,
    SLICE,
    ChunkWriter,
    Exchange,
    audio_frame,
    audio_header,
    fed_in_pieces,
    setup,
    video_frame,
    video_header,
    whole_stream,
)


def replies(output: bytes) -> list[tuple[int, list[amf0.Value]]]:
    """What a publisher reads after the handshake: message types, and the values of commands."""
    found: list[tuple[int, list[amf0.Value]]] = []
    for message in ChunkReader(Limits()).feed(output[3073:]):
        found.append((message.type_id, amf0.decode(message.body) if message.type_id == 20 else []))
    return found


def statuses(output: bytes) -> list[str]:
    information = [values[3] for kind, values in replies(output) if kind == 20 and len(values) > 3]
    return [str(info["code"]) for info in information if isinstance(info, dict) and "code" in info]


def test_a_publication_from_the_first_byte_to_the_last() -> None:
    exchange = Exchange()
    exchange.send(whole_stream())
    kinds = [type(event) for event in exchange.events]
    assert kinds[:4] == [PublishRequested, MetaData, VideoConfig, AudioConfig]
    assert kinds.count(VideoFrame) == kinds.count(AudioFrame) == 6
    assert kinds[-1] is Unpublished
    assert exchange.connection.state is State.READY
    frames = [event for event in exchange.events if isinstance(event, VideoFrame)]
    assert [(f.dts_ms, f.pts_ms, f.keyframe) for f in frames] == [(40 * i, 40 * i + 80, i == 0) for i in range(6)]


def test_replies_in_the_order_encoders_expect() -> None:
    exchange = Exchange()
    exchange.send(whole_stream())
    assert exchange.output[0] == 3
    types = [kind for kind, _ in replies(exchange.output)]
    assert types[:3] == [5, 6, 20], "window, bandwidth, (chunk size, taken in by the reader,) result of connect"
    assert statuses(exchange.output) == [
        "NetConnection.Connect.Success",
        "NetStream.Publish.Start",
        "NetStream.Publish.Start",
        "NetStream.Unpublish.Success",
        "NetStream.Unpublish.Success",
    ]


@pytest.mark.parametrize("chunk_bytes", [128, 37, 60_000])
def test_split_at_every_byte(chunk_bytes: int) -> None:
    stream = whole_stream(chunk_bytes=chunk_bytes)
    whole = Exchange()
    whole.send(stream)
    assert fed_in_pieces(stream, range(len(stream))).events == whole.events, "one byte at a time"
    for cut in range(3073, len(stream)):
        assert fed_in_pieces(stream, [cut]).events == whole.events


@given(st.lists(st.integers(0, len(whole_stream())), max_size=30))
def test_any_cuts_give_the_same_events(cuts: list[int]) -> None:
    whole = Exchange()
    whole.send(whole_stream())
    pieces = fed_in_pieces(whole_stream(), cuts)
    assert pieces.events == whole.events
    assert len(pieces.output) == len(whole.output)


@pytest.mark.parametrize(
    ("app", "name", "key"),
    [
        ("live", "KEY", "KEY"),
        ("live/", "KEY", "KEY"),
        ("live", "KEY?bitrate=3&x=/y", "KEY"),
        ("live?token=1", "KEY", "KEY"),
        ("live/KEY", "", "KEY"),
        ("live/KEY?x=1", "", "KEY"),
        ("live/KEY/", "", "KEY"),
        ("live/abc", "KEY", "KEY"),
        ("live", " /KEY/ ", "KEY"),
        ("live", "live/KEY", "KEY"),
        ("live", "", ""),
        ("live", "?x=1", ""),
    ],
)
def test_both_forms_of_naming_the_key(app: str, name: str, key: str) -> None:
    assert split_key(app, name) == ("live", key)


def test_key_in_the_path() -> None:
    exchange = Exchange()
    exchange.send(setup("", app="live/good"))
    assert exchange.connection.state is State.PUBLISHING


@pytest.mark.parametrize("key", ["wrong", "", "x" * 300])
def test_wrong_missing_and_endless_keys_are_refused_with_a_reason(key: str) -> None:
    exchange = Exchange()
    exchange.send(setup(key))
    assert exchange.closed is not None
    assert exchange.closed.ended.reason is EndReason.REFUSED
    assert statuses(exchange.output)[-1] == "NetStream.Publish.BadName"
    assert not exchange.send(whole_stream()), "a closed connection ignores what still comes"


def test_wrong_application_is_refused_at_connect() -> None:
    exchange = Exchange()
    exchange.send(setup(app="vod"))
    assert statuses(exchange.output) == ["NetConnection.Connect.Rejected"]
    assert "rtmp://HOST/live" in str(replies(exchange.output))


def test_an_enhanced_publisher_is_told_what_we_take() -> None:
    exchange = Exchange()
    exchange.send(setup(fourCcList=["av01", "hvc1"]))
    told = str(replies(exchange.output))
    assert all(fourcc in told for fourcc in ("avc1", "hvc1", "av01", "vp09", "mp4a", "Opus"))
    assert "capsEx" in told and "videoFourCcInfoMap" in told
    assert exchange.connection.state is State.PUBLISHING


def publishing(limits: Limits | None = None) -> tuple[Exchange, ChunkWriter]:
    exchange, writer = Exchange(limits or Limits()), ChunkWriter()
    exchange.send(setup(writer=writer))
    assert exchange.connection.state is State.PUBLISHING
    return exchange, writer


def test_the_same_connection_may_publish_again() -> None:
    exchange, writer = publishing()
    exchange.send(writer.command("deleteStream", 6, None, 1))
    exchange.send(writer.message(8, audio_frame(), csid=4, stream_id=1))
    exchange.send(writer.command("createStream", 7, None) + writer.command("publish", 8, None, "good", stream_id=2))
    assert exchange.connection.state is State.PUBLISHING
    assert exchange.send(writer.message(9, video_header(), csid=6, stream_id=2))


@pytest.mark.parametrize(
    ("tag_type", "body", "word"),
    [
        (9, b"\x90vvc1\0\0\0\0", "VVC"),
        (9, b"\x90hvc1\0\0\0\0", "HEVCDecoderConfigurationRecord"),
        (9, b"\x90av01\0\0\0\0", "AV1CodecConfigurationRecord"),
        (9, b"\x12\0\0\0\0", "Sorenson"),
        (8, b"\x2f\0", "MP3"),
        (22, b"\0", "Aggregate"),
        (9, b"\x17\0\0\0\0\1\2", "AVCDecoderConfigurationRecord"),
    ],
)
def test_what_we_do_not_take_is_refused_in_the_publishers_terms(tag_type: int, body: bytes, word: str) -> None:
    exchange, writer = publishing()
    exchange.send(writer.message(tag_type, body, csid=6, stream_id=1))
    assert exchange.closed is not None
    assert word in exchange.closed.ended.message
    assert statuses(exchange.output)[-1] == "NetStream.Publish.Rejected"


def test_sound_without_a_picture_goes_on() -> None:
    exchange, writer = publishing()
    exchange.send(writer.message(8, audio_header(), csid=4, stream_id=1))
    for at_ms in range(0, 20_000, 1_000):
        exchange.now += 1
        exchange.send(writer.message(8, audio_frame(), at_ms=at_ms, csid=4, stream_id=1))
    assert not exchange.connection.closed


def test_setup_and_silence_time_out() -> None:
    limits = Limits(setup_timeout_s=10, idle_timeout_s=15)
    slow = Exchange(limits)
    slow.send(HANDSHAKE[:2000])
    slow.now += 9.9
    slow.send(HANDSHAKE[2000:])  # a drop at a time does not buy more time
    assert not slow.expire()
    slow.now += 0.2
    assert isinstance(slow.expire()[0], Closed)
    assert not slow.expire(), "once"

    silent, writer = publishing(limits)
    silent.now += 14
    silent.send(writer.message(9, video_header(), csid=6, stream_id=1))
    silent.now += 14
    assert not silent.expire()
    silent.now += 1
    assert silent.expire()
    assert silent.closed is not None
    assert silent.closed.ended.reason is EndReason.TIMED_OUT
    assert statuses(silent.output)[-1] == "NetStream.Publish.Rejected"


def test_acknowledgements_follow_the_publishers_window() -> None:
    exchange, writer = publishing()
    exchange.send(writer.message(5, (20_000).to_bytes(4, "big"), csid=2))
    exchange.send(writer.message(9, video_header(), csid=6, stream_id=1))
    before = len([kind for kind, _ in replies(exchange.output) if kind == 3])
    for i in range(30):
        exchange.send(writer.message(9, video_frame(SLICE + bytes(4_000)), at_ms=i, csid=6, stream_id=1))
    assert len([kind for kind, _ in replies(exchange.output) if kind == 3]) - before == 120_000 // 20_000


def test_pings_are_answered() -> None:
    exchange, writer = publishing()
    exchange.send(writer.message(4, b"\0\6abcd", csid=2))
    assert exchange.output.endswith(b"\0\7abcd")


def test_commands_in_amf3_envelopes_are_read() -> None:
    writer = ChunkWriter()
    exchange = Exchange()
    exchange.send(HANDSHAKE + writer.message(17, b"\0" + amf0.encode("connect", 1, {"app": "live"})))
    assert exchange.connection.state is State.READY


def test_a_player_is_told_that_this_is_the_wrong_door() -> None:
    writer = ChunkWriter()
    exchange = Exchange()
    exchange.send(HANDSHAKE + writer.command("connect", 1, {"app": "live"}) + writer.command("play", 2, None, "good"))
    assert statuses(exchange.output)[-1] == "NetStream.Play.Failed"


@pytest.mark.parametrize(
    ("start", "words"),
    [(b"\x16\x03\x01", "TLS"), (b"GET / HTTP/1.1", "HTTP"), (b"\x06", "RTMPE"), (b"\xff", "0xff")],
)
def test_other_protocols_are_named(start: bytes, words: str) -> None:
    exchange = Exchange()
    exchange.send(start)
    assert exchange.closed is not None
    assert words in exchange.closed.ended.message
    assert exchange.output == b""


def test_floods_of_cheap_commands_are_bounded() -> None:
    exchange, writer = publishing()
    exchange.send(b"".join(writer.command("createStream", i, None) for i in range(100)))
    assert exchange.closed is not None


def test_memory_before_a_key_is_bounded_by_commands() -> None:
    exchange = Exchange()
    exchange.send(HANDSHAKE + b"\x06\0\0\0\x10\0\0\x09\1\0\0\0" + bytes(128))
    assert exchange.closed is not None
    assert exchange.connection.held_bytes == 0


@pytest.mark.parametrize("seed", range(20))
def test_mutated_streams_end_in_our_words_or_not_at_all(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(50):
        stream = bytearray(whole_stream(chunk_bytes=rng.choice((128, 4096))))
        for _ in range(rng.randint(1, 8)):
            stream[rng.randrange(3073, len(stream))] = rng.randrange(256)
        exchange = Exchange()
        at = 0
        while at < len(stream):
            step = rng.randint(1, 1500)
            exchange.send(bytes(stream[at : at + step]))
            at += step
        assert exchange.closed is None or exchange.closed.ended.message, f"seed {seed}"
        assert exchange.connection.held_bytes <= len(stream)


def test_answers_are_demanded() -> None:
    connection = Connection(Limits(), 0.0)
    with pytest.raises(RuntimeError, match="accept"):
        list(connection.receive(setup(), 0.0))
    with pytest.raises(RuntimeError):
        Connection(Limits(), 0.0).accept(0.0)
