"""What publishers send besides H.264 and AAC: decoded, or made into the sound that every player has."""

from __future__ import annotations

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest

from skyriver.fabric import group_of
from skyriver.services.live.media.aac import AAC
from skyriver.services.live.media.avc import plays_in_browsers
from skyriver.services.live.media.bitrate_limit import WINDOW_S, BitrateLimit
from skyriver.services.live.media.decoder import VideoDecoder
from skyriver.services.live.media.engine import Engine
from skyriver.services.live.media.sound import SoundTranscoder
from skyriver.services.live.media.units import (
    MICROSECONDS,
    AudioTrack,
    Encoded,
    Output,
    SoundSource,
    Splice,
    Unit,
    VideoTrack,
)
from skyriver.services.live.model import Rendition

START_US = 1_800_000_000_000_000
ENCODERS = {
    "hev1": ("libx265", {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "log-level=0:repeat-headers=1"}),
    "av01": ("libsvtav1", {"preset": "12", "svtav1-params": "lookahead=0:pred-struct=1"}),
    "vp09": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
}


def units_of(codec: str, count: int = 40) -> list[Unit]:
    """A moving picture of 320x180 at 25 frames a second."""
    name, options = ENCODERS[codec]
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 320, 180, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.options = MICROSECONDS, Fraction(25), options
    units = []
    for number in [*range(count), None]:
        frame = None
        if number is not None:
            shade = np.full((180, 320, 3), 5 * number % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(shade, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = START_US + number * 40_000, MICROSECONDS
        units += [Unit(bytes(p), p.pts or 0, p.is_keyframe) for p in encoder.encode(frame)]
    return units


def opus_units(count: int = 150) -> tuple[SoundSource, list[Unit]]:
    """A tone, 20 ms a packet."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 48_000, "stereo", "flt", 96_000
    encoder.open()
    units = []
    for number in range(count):
        at = np.arange(960 * number, 960 * (number + 1)) / 48_000
        wave = np.repeat(0.3 * np.sin(2 * np.pi * 440 * at), 2).astype(np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(wave, format="flt", layout="stereo")
        frame.sample_rate, frame.pts = 48_000, 960 * number
        units += [Unit(bytes(p), START_US + 20_000 * number) for p in encoder.encode(frame)]
    return SoundSource("opus", bytes(encoder.extradata or b"")), units


@pytest.mark.parametrize("codec", ENCODERS)
def test_every_codec_is_decoded_without_delay(codec: str) -> None:
    decoder, shown = VideoDecoder(codec), []
    for unit in units_of(codec):
        shown += decoder.decode(unit)
    shown += decoder.flush()
    assert [picture.pts for picture in shown] == [START_US + n * 40_000 for n in range(40)]
    assert {(picture.width, picture.height) for picture in shown} == {(320, 180)}
    assert decoder.errors == 0


def test_a_publisher_may_change_its_codec() -> None:
    """The ladder goes on in the same tracks: H.264 for everybody, whatever comes in."""
    outputs: list[Output] = []
    engine = Engine((Rendition("90p", 160, 90, 200_000),), outputs.append, live=False, opus_bitrate_bps=0)
    engine.configure_video("hev1.1.6.L60.90")
    for unit in units_of("hev1"):
        engine.video(unit)
    later = tuple(Unit(u.payload, u.pts_us + 2_000_000, u.keyframe) for u in units_of("vp09"))
    engine.splice(Splice(later, "vp09.00.11.08"))
    engine.close(drain=True)
    (track,) = {output.codec[:4] for output in outputs if isinstance(output, VideoTrack)}
    assert track == "avc3"
    times = [output.pts_us for output in outputs if isinstance(output, Encoded)]
    assert times == sorted(times)
    assert len(times) == 80


def test_opus_becomes_aac() -> None:
    source, units = opus_units()
    transcoder = SoundTranscoder("aac", source, AAC, bitrate_bps=128_000)
    assert (transcoder.track.codec, transcoder.track.sample_rate_hz, transcoder.track.channels) == (
        "mp4a.40.2",
        48_000,
        2,
    )
    made = [encoded for unit in units for encoded in transcoder.transcode(unit)]
    steps = {b.pts_us - a.pts_us for a, b in itertools.pairwise(made)}
    assert all(abs(step - 21_333) < 300 for step in steps), "1024 samples each, without a gap"
    assert abs(made[0].pts_us - START_US) < 40_000, "lips and voice stay together"
    assert made[-1].group == group_of(made[-1].pts_us) or made[-1].group <= group_of(made[-1].pts_us)
    decoder = av.CodecContext.create("aac", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.extradata = transcoder.track.init
    loud = 0.0
    for encoded in made:
        for frame in decoder.decode(av.Packet(encoded.payload)):
            loud = max(loud, float(np.abs(frame.to_ndarray()).max()))
    assert 0.25 < loud < 0.4, "the tone of 0.3 is still one"


def test_the_engine_makes_the_sound_that_is_missing() -> None:
    outputs: list[Output] = []
    engine = Engine((), outputs.append, live=False)
    source, units = opus_units(30)
    engine.configure_audio(source)
    for unit in units:
        engine.audio(unit)
    engine.close(drain=True)
    assert [output.codec for output in outputs if isinstance(output, AudioTrack)] == ["mp4a.40.2"]
    assert {output.track for output in outputs if isinstance(output, Encoded)} == {"aac"}


@pytest.mark.parametrize(
    ("codec", "plays"),
    [
        ("avc3.64001f", True),
        ("avc3.6e001f", False),
        ("hev1.1.6.L93.90", False),
        ("av01.0.04M.08", True),
        ("av01.0.04M.10", False),
        ("av01.1.04M.08", False),
        ("vp09.00.31.08", True),
        ("vp09.02.31.10", False),
        ("vp09", False),
        ("", False),
    ],
)
def test_the_source_is_offered_where_browsers_play_it(codec: str, plays: bool) -> None:
    assert plays_in_browsers(codec) is plays


def test_a_bit_rate_is_measured_over_the_window() -> None:
    limit, now_us = BitrateLimit(), START_US
    rates = []
    for _ in range(100):
        now_us += 100_000
        rates.append(limit.add(12_500, now_us))  # 1 Mbit/s
    assert rates[-1] == 1_000_000
    assert max(rates) == 1_000_000
    assert limit.add(12_500 * 10 * WINDOW_S, now_us) == 2_000_000, "a burst counts against the whole window"
    assert limit.add(0, now_us + WINDOW_S * 1_000_000) == 0
