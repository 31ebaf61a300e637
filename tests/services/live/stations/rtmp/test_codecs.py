"""Parameter sets and FLV tags. The records were written by libx264 and ffmpeg's AAC encoder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyriver.services.live.stations import AudioFrame, Notice, VideoConfig, VideoFrame
from skyriver.services.live.stations.codecs.aac import parse_audio_config
from skyriver.services.live.stations.codecs.bits import BitReader
from skyriver.services.live.stations.codecs.h264 import START_CODE, parse_avc_record, to_annexb
from skyriver.services.live.stations.codecs.sps import parse_sps
from skyriver.services.live.stations.errors import DamagedMedia, UnsupportedMedia
from skyriver.services.live.stations.rtmp.flv import FlvReader
from tests.services.live.stations.rtmp.wire import (
    AAC_CONFIG,
    AVC_RECORD,
    IDR,
    SLICE,
    audio_frame,
    audio_header,
    video_frame,
    video_header,
)

RECORDS = {
    "720p30": (AVC_RECORD.hex(), "avc3.64001f High 3.1 1280x720 30.000 8 4:2:0 False"),
    "baseline": (
        "0142c01effe100186742c01ed900a02ff961000003000100000300320f162e4801000568cb83cb20",
        "avc3.42c01e Constrained Baseline 3.0 640x360 25.000 8 4:2:0 False",
    ),
    "1080p60, cropped": (
        "0164002affe1001a6764002aacd940780227e584000003000400000301e03c60c65801000668ebe3cb22c0fdf8f800",
        "avc3.64002a High 4.2 1920x1080 60.000 8 4:2:0 False",
    ),
    "10 bit 4:2:2": (
        "017a000cffe10019677a000cb6cd941419f8d840000003004000000c83c50a658001000668ebe3cb22c0fefafa00",
        "avc3.7a000c High 4:2:2 1.2 320x180 25.000 10 4:2:2 False",
    ),
    "interlaced": (
        "01640028ffe1001967640028acd94078044fdc20000003002000000643e2c5b2c001000668fba3cb22c0fdf8f800",
        "avc3.640028 High 4.0 1920x1080 25.000 8 4:2:0 True",
    ),
    "sample aspect ratio, 29.97": (
        "0164001effe1001c6764001eacd940b43dbff00080009100000303e90000ea600f162d9601000668ebe3cb22c0fdf8f800",
        "avc3.64001e High 3.0 720x480 29.970 8 4:2:0 False",
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_sequence_headers_of_libx264(name: str) -> None:
    record, expected = RECORDS[name]
    c = parse_avc_record(bytes.fromhex(record)).video_config()
    said = f"{c.codec} {c.profile} {c.level} {c.width}x{c.height} {c.fps:.3f} {c.bit_depth} {c.chroma} {c.interlaced}"
    assert said == expected
    assert c.parameter_sets_annexb.startswith(START_CODE + b"\x67")
    assert START_CODE + b"\x68" in c.parameter_sets_annexb


@given(st.binary(max_size=80))
def test_garbage_as_sps_is_refused(garbage: bytes) -> None:
    try:
        sps = parse_sps(b"\x67" + garbage)
    except DamagedMedia:
        return
    assert 0 < sps.width <= 16384 and 0 < sps.height <= 16384


@given(st.integers(0, len(AVC_RECORD) - 1), st.integers(0, 255))
def test_one_wrong_byte_in_a_sequence_header(at: int, value: int) -> None:
    data = bytearray(AVC_RECORD)
    data[at] = value
    try:
        parse_avc_record(bytes(data)).video_config()
    except DamagedMedia as error:
        assert str(error)


@given(st.integers(0, 2**32 - 2))
def test_exponential_golomb(value: int) -> None:
    bits = bin(value + 1)[2:]
    text = "0" * (len(bits) - 1) + bits + "1"
    data = int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")
    assert BitReader(data).unsigned() == value
    assert BitReader(data).signed() == ((value + 1) // 2 if value % 2 else -(value // 2))


@pytest.mark.parametrize(
    ("config", "codec", "rate", "channels"),
    [
        ("1210", "mp4a.40.2", 44100, 2),
        ("120856e500", "mp4a.40.2", 44100, 1),
        ("1190", "mp4a.40.2", 48000, 2),
        ("2b8a0800", "mp4a.40.5", 44100, 1),
    ],
)
def test_audio_configs(config: str, codec: str, rate: int, channels: int) -> None:
    found = parse_audio_config(bytes.fromhex(config))
    assert (found.codec, found.sample_rate_hz, found.channels, found.init.hex()) == (codec, rate, channels, config)


@given(st.binary(max_size=40))
def test_garbage_as_audio_config_is_refused(garbage: bytes) -> None:
    try:
        assert parse_audio_config(garbage).channels >= 1
    except DamagedMedia as error:
        assert str(error)


def units(*nals: bytes, length_bytes: int = 4) -> memoryview:
    return memoryview(b"".join(len(nal).to_bytes(length_bytes, "big") + nal for nal in nals))


def test_keyframe_gets_its_parameter_sets_first() -> None:
    record = parse_avc_record(AVC_RECORD)
    assert to_annexb(units(IDR), record, keyframe=True) == (record.annexb + START_CODE + IDR, True)
    assert to_annexb(units(SLICE), record, keyframe=False) == (START_CODE + SLICE, False)


def test_an_idr_slice_makes_a_keyframe_whatever_the_flag_says() -> None:
    assert to_annexb(units(IDR), parse_avc_record(AVC_RECORD), keyframe=False)[1]


def test_own_sps_is_not_doubled_and_delimiters_are_dropped() -> None:
    record = parse_avc_record(AVC_RECORD)
    found, _ = to_annexb(units(b"\x09\xf0", record.sps[0], record.pps[0], IDR), record, keyframe=True)
    assert found == record.annexb + START_CODE + IDR


@given(st.lists(st.binary(min_size=1, max_size=30).map(lambda b: b"\x41" + b), min_size=1), st.sampled_from([1, 2, 4]))
def test_annexb_keeps_every_unit(nals: list[bytes], length_bytes: int) -> None:
    record = parse_avc_record(AVC_RECORD[:4] + bytes((0xFC | length_bytes - 1,)) + AVC_RECORD[5:])
    found, keyframe = to_annexb(units(*nals, length_bytes=length_bytes), record, keyframe=False)
    assert found == b"".join(START_CODE + nal for nal in nals)
    assert not keyframe


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (b"\0\0\0\x09\x41", "shorter"),
        (b"\xff\xff\xff\xff\x41", "shorter"),
        (START_CODE + b"\x65" + bytes(9), "start codes"),
    ],
)
def test_damaged_access_units(damaged: bytes, words: str) -> None:
    with pytest.raises(DamagedMedia, match=words):
        to_annexb(memoryview(damaged + bytes(3) + b"\xff"), parse_avc_record(AVC_RECORD), keyframe=False)


def test_tags_in_their_usual_order() -> None:
    flv = FlvReader()
    assert not list(flv.video(memoryview(video_frame(SLICE)), 0)), "before its header a frame means nothing"
    assert not list(flv.audio(memoryview(audio_frame()), 0))
    config = next(flv.video(memoryview(video_header()), 0))
    assert isinstance(config, VideoConfig)
    assert config.width == 1280
    assert not list(flv.video(memoryview(video_header()), 0)), "repeated headers are no news"
    assert next(flv.audio(memoryview(audio_header()), 0)) == parse_audio_config(AAC_CONFIG)
    frame = next(flv.video(memoryview(video_frame(SLICE, offset_ms=-40)), 1000))
    assert frame == VideoFrame(START_CODE + SLICE, 1000, 960, False)
    assert list(flv.audio(memoryview(audio_frame(b"abc")), 7)) == [AudioFrame(b"abc", 7)]
    for nothing in (b"", b"\x17", b"\x17\x02\0\0\0", b"\x57\x00", b"\x27\x01\0\0\0"):
        assert not list(flv.video(memoryview(nothing), 0))
    for nothing in (b"", b"\xaf", b"\xaf\x01", b"\xaf\x00"):
        assert not list(flv.audio(memoryview(nothing), 0))


def test_enhanced_rtmp_with_codecs_we_take() -> None:
    flv = FlvReader()
    assert isinstance(next(flv.video(memoryview(b"\x90avc1" + AVC_RECORD), 0)), VideoConfig)
    coded = next(flv.video(memoryview(b"\xa1avc1\0\0\x28" + units(SLICE)), 100))
    assert coded == VideoFrame(START_CODE + SLICE, 100, 140, False)
    assert next(flv.video(memoryview(b"\xa3avc1" + units(SLICE)), 100)) == VideoFrame(
        START_CODE + SLICE, 100, 100, False
    )
    modified = next(flv.video(memoryview(b"\xa7\x02\0\0\1\x03avc1" + units(SLICE)), 100))
    assert modified == VideoFrame(START_CODE + SLICE, 100, 100, False)
    next(flv.audio(memoryview(b"\x90mp4a" + AAC_CONFIG), 0))
    assert list(flv.audio(memoryview(b"\x91mp4aabc"), 5)) == [AudioFrame(b"abc", 5)]


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"\x1d\0\0\0\0", "AV1 in a form that is not Enhanced RTMP"),
        (b"\x12abc", "Sorenson H.263"),
        (b"\x90vvc1abc", "VVC"),
        (b"\x90vp08abc", "VP8"),
        (b"\x90zzzzabc", "zzzz"),
        (b"\x96\x00zzzz\0abc", "zzzz"),
        (b"\x1f\0", "codec 15"),
    ],
)
def test_other_video_is_refused_by_name(body: bytes, name: str) -> None:
    with pytest.raises(UnsupportedMedia, match=name) as refusal:
        list(FlvReader().video(memoryview(body), 0))
    assert "H.264" in refusal.value.hint


@pytest.mark.parametrize(
    ("body", "name"), [(b"\x2fab", "MP3"), (b"\xb2ab", "Speex"), (b"\x90ac-3ab", "AC-3"), (b"\x90fLaCa", "FLAC")]
)
def test_other_audio_is_refused_by_name(body: bytes, name: str) -> None:
    with pytest.raises(UnsupportedMedia, match=name) as refusal:
        list(FlvReader().audio(memoryview(body), 0))
    assert "AAC" in refusal.value.hint


def test_of_several_tracks_the_first_one_counts() -> None:
    flv = FlvReader()

    def track(number: int, data: bytes | memoryview) -> bytes:
        return bytes((number,)) + len(data).to_bytes(3, "big") + bytes(data)

    described = b"\x96\x10avc1" + track(1, b"xxx") + track(0, AVC_RECORD)
    notice, config = flv.video(memoryview(described), 0)
    assert isinstance(notice, Notice) and "video track (number 1)" in notice.message
    assert isinstance(config, VideoConfig)
    assert not list(flv.video(memoryview(b"\x96\x10avc1" + track(1, b"xxx")), 0))
    several_codecs = b"\xa6\x23vp08" + track(1, b"x") + b"avc1" + track(0, units(SLICE))
    assert list(flv.video(memoryview(several_codecs), 5)) == [VideoFrame(START_CODE + SLICE, 5, 5, False)]
    with pytest.raises(DamagedMedia):
        list(flv.video(memoryview(described[:-1]), 0))


def test_a_publisher_cannot_have_us_say_or_read_ever_more_of_its_tracks() -> None:
    flv = FlvReader()
    many = b"".join(bytes((number,)) + bytes(3) for number in range(1, 256))
    notices = [*flv.video(memoryview(b"\x96\x10avc1" + many), 0), *flv.audio(memoryview(b"\x95\x10mp4a" + many), 0)]
    assert 0 < len(notices) < 10
    with pytest.raises(DamagedMedia, match="more tracks"):
        list(flv.video(memoryview(b"\x96\x10avc1" + many * 2), 0))


@pytest.mark.parametrize("fourcc", [b"avc1", b"hvc1", b"av01", b"vp09"])
@given(data=st.binary(max_size=80))
def test_garbage_in_any_codec_never_escapes(fourcc: bytes, data: bytes) -> None:
    flv = FlvReader()
    for body in (b"\x90" + fourcc + data, b"\x91" + fourcc + data, b"\xa3" + fourcc + data, b"\x96" + data):
        try:
            list(flv.video(memoryview(body), 0))
        except (DamagedMedia, UnsupportedMedia) as error:
            assert str(error)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_garbage_tags_never_escape(video: bytes, audio: bytes) -> None:
    flv = FlvReader()
    list(flv.video(memoryview(video_header()), 0))
    for tag in (flv.video(memoryview(video), 0), flv.audio(memoryview(audio), 0)):
        try:
            list(tag)
        except (DamagedMedia, UnsupportedMedia) as error:
            assert str(error)
