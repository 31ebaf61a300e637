"""Transport streams of FFmpeg's muxer, whole, cut, wrapped and damaged."""

from __future__ import annotations

import itertools
import os
import random

import av
import pytest

from skyriver.services.live.stations import AudioConfig, AudioFrame, MediaEvent, VideoConfig, VideoFrame
from skyriver.services.live.stations.errors import DamagedMedia, UnsupportedMedia
from skyriver.services.live.stations.mpegts import TsLimits, TsReader
from skyriver.services.live.stations.mpegts.demuxer import PACKET_BYTES
from skyriver.services.live.stations.mpegts.pes import PesReader, WireClock
from tests.services.live.stations.mpegts.muxed import FPS, SECONDS, SIZE, transport_stream

SEED = int(os.environ.get("SKYRIVER_FUZZ_SEED", "20240607"))
WRAP_S = (1 << 33) / 90_000
DATAGRAM_BYTES = 7 * PACKET_BYTES


def read(data: bytes, *, step: int = DATAGRAM_BYTES, reader: TsReader | None = None) -> list[MediaEvent]:
    reader = reader or TsReader()
    return [event for at in range(0, len(data), step) for event in reader.feed(data[at : at + step])]


def videos(events: list[MediaEvent]) -> list[VideoFrame]:
    return [event for event in events if isinstance(event, VideoFrame)]


def packets_of(data: bytes) -> list[bytes]:
    return [data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES)]


@pytest.mark.parametrize(
    ("encoder", "codec", "decoder"), [("libx264", "avc3.", "h264"), ("libx265", "hev1.1.6.L60.90", "hevc")]
)
@pytest.mark.parametrize("step", [DATAGRAM_BYTES, 61])
def test_video_with_b_frames_and_aac(encoder: str, codec: str, decoder: str, step: int) -> None:
    events = read(transport_stream(encoder), step=step)
    config = next(event for event in events if isinstance(event, VideoConfig))
    assert config.codec.startswith(codec)
    assert ((config.width, config.height), config.bit_depth, config.chroma) == (SIZE, 8, "4:2:0")
    sound = next(event for event in events if isinstance(event, AudioConfig))
    assert (sound.codec, sound.sample_rate_hz, sound.channels) == ("mp4a.40.2", 48_000, 2)
    frames = videos(events)
    assert len(frames) == FPS * SECONDS
    assert [n for n, frame in enumerate(frames) if frame.keyframe] == [0, 25, 50]
    assert all(b.dts_ms - a.dts_ms == 40 for a, b in itertools.pairwise(frames))
    context = av.CodecContext.create(decoder, "r")
    assert isinstance(context, av.VideoCodecContext)
    pictures = []
    for frame in frames:
        packet = av.Packet(frame.payload)
        packet.pts, packet.dts = frame.pts_ms, frame.dts_ms
        pictures += context.decode(packet)
    pictures += context.decode(None)
    times = [picture.pts for picture in pictures if picture.pts is not None]
    assert len(times) == FPS * SECONDS
    assert all(b - a == 40 for a, b in itertools.pairwise(times))
    sounds = [event for event in events if isinstance(event, AudioFrame)]
    gaps = [b.pts_ms - a.pts_ms for a, b in itertools.pairwise(sounds)]
    assert set(gaps) <= {21, 22} and len(sounds) > 130


def test_a_frame_comes_with_its_last_packet() -> None:
    """Not with the first packet of the next frame, 40 ms later: PES packets of video have no length."""
    packets = packets_of(transport_stream(audio=None))
    reader, early = TsReader(), 0
    pid = None
    for packet, following in itertools.pairwise(packets):
        came = videos(list(reader.feed(packet)))
        if came and pid is None:
            pid = packet[1:3]
        early += bool(came) and following[1] & 0x40 != 0
    assert early >= FPS * SECONDS - 3
    assert reader.counters.damaged == 0


def test_stuffing_within_a_frame_is_learned() -> None:
    """A muxer that stuffs where it likes costs one frame here, and is taken at its word from then on."""
    header = b"\0\0\1\xe0\0\0\x80\x80\5" + b"\x21\0\1\0\1"
    reader = PesReader(1000)

    def frame(name: bytes) -> list[bytes]:
        done = reader.feed(header + name, starts=True, random_access=False, stuffed=False)
        done += reader.feed(b" stuffed", starts=False, random_access=False, stuffed=True)
        done += reader.feed(b" rest", starts=False, random_access=False, stuffed=False)
        return [pes.payload for pes in done]

    assert frame(b"first") == [b"first stuffed"]
    assert reader.damaged == 1
    assert frame(b"second") == []
    assert frame(b"third") == [b"second stuffed rest"]
    assert reader.damaged == 1


@pytest.mark.parametrize("offset_s", [WRAP_S - 2.5, (1 << 32) / 1000 - 2.5])
def test_both_wraps_are_small_steps(offset_s: float) -> None:
    """33 bits of 90 kHz after 26.5 hours; 32 bits of milliseconds, which is what a publication has, after 49.7 days."""
    frames = videos(read(transport_stream(offset_s=offset_s % WRAP_S)))
    assert len(frames) == FPS * SECONDS
    assert {(b.dts_ms - a.dts_ms) % (1 << 32) for a, b in itertools.pairwise(frames)} == {40}
    assert all(0 <= f.pts_ms - f.dts_ms <= 200 for f in frames)


def test_the_clock_wraps_at_32_bits_of_milliseconds() -> None:
    clock, ticks = WireClock(), 0
    seen = []
    while ticks < 2 << 33:
        seen.append(clock.wire_ms((ticks + 180) % (1 << 33), ticks % (1 << 33)))
        ticks += 1 << 31
    assert seen == [(t // 90 + (t % 90 > 45), t // 90 + (t % 90 > 45) + 2) for t in range(0, 2 << 33, 1 << 31)]
    for _ in range(60 * 4):
        ticks += 1 << 31
        dts_ms, pts_ms = clock.wire_ms((ticks + 180) % (1 << 33), ticks % (1 << 33))
        assert 0 <= dts_ms < 1 << 32 and pts_ms - dts_ms == 2


def test_a_jump_of_ten_hours_is_passed_on() -> None:
    reader = TsReader()
    before = videos(read(transport_stream(offset_s=10), reader=reader))
    after = videos(read(transport_stream(offset_s=36_010), reader=reader))
    assert after[0].dts_ms - before[0].dts_ms == 36_000_000


def test_holes_are_counted_and_survived() -> None:
    packets = packets_of(transport_stream())
    lost = set(range(100, 130))
    reader = TsReader()
    frames = videos(read(b"".join(p for n, p in enumerate(packets) if n not in lost), reader=reader))
    assert reader.counters.continuity_errors > 0
    assert FPS * SECONDS - 12 <= len(frames) < FPS * SECONDS
    assert frames[-1].dts_ms == videos(read(transport_stream()))[-1].dts_ms


def test_it_finds_its_way_into_the_middle_of_a_packet() -> None:
    reader = TsReader()
    data = transport_stream()
    assert len(videos(read(data[1000:], reader=reader))) > 40
    assert reader.counters.resyncs >= 1


@pytest.mark.parametrize(
    ("video", "audio", "options", "word"),
    [
        ("libx264", "mp2", (), "MPEG audio"),
        ("libx264", "ac3", (), "AC-3"),
        ("libx264", "libopus", (), "Opus"),
        ("libx264", "aac", ("mpegts_flags=latm",), "AAC in LATM"),
        ("mpeg2video", "aac", (), "MPEG-2 video"),
    ],
)
def test_what_we_do_not_take_is_refused_by_name(video: str, audio: str, options: tuple[str, ...], word: str) -> None:
    with pytest.raises(UnsupportedMedia, match=word) as refusal:
        read(transport_stream(video, audio, options=options))
    assert "ffmpeg" in refusal.value.hint


@pytest.mark.parametrize(("video", "audio"), [("libx264", None), (None, "aac")])
def test_one_of_picture_and_sound_is_enough(video: str | None, audio: str | None) -> None:
    events = read(transport_stream(video, audio))
    assert bool(videos(events)) == (video is not None)
    assert any(isinstance(event, AudioFrame) for event in events) == (audio is not None)


def test_damage_of_every_kind_is_survived() -> None:
    print(f"seed {SEED} (SKYRIVER_FUZZ_SEED)")
    rng = random.Random(SEED)
    whole, survived = transport_stream(), 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 20, 300))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.5:
            at = rng.randrange(len(data))
            del data[at : at + rng.randrange(2000)]
        reader = TsReader(TsLimits(max_video_pes_bytes=100_000))
        try:
            survived += len(videos(read(bytes(data), reader=reader))) > 20
        except (DamagedMedia, UnsupportedMedia) as error:
            assert str(error)
        assert reader.held_bytes < 200_000
    assert survived > 100


@pytest.mark.parametrize("make", [random.Random(SEED).randbytes, lambda size: b"\x47" * size, bytes])
def test_garbage_is_held_within_bounds(make: object) -> None:
    assert callable(make)
    reader = TsReader()
    assert read(make(1 << 20), reader=reader) == []
    assert reader.held_bytes < 4 * PACKET_BYTES


def test_a_frame_without_end_is_dropped_at_its_limit() -> None:
    packets = packets_of(transport_stream(audio=None))
    first = next(n for n, p in enumerate(packets) if p[1] & 0x40 and (p[1] & 31, p[2]) == (1, 0))
    reader = TsReader(TsLimits(max_video_pes_bytes=10_000))
    read(b"".join(packets[: first + 1]), reader=reader)
    for count in range(1, 1000):
        read(b"\x47\x01\x00" + bytes((0x10 | count & 15,)) + bytes(184), reader=reader)
        assert reader.held_bytes <= 10_000
    assert reader.counters.damaged == 1
