"""The transcoding engine on real H.264 and AAC."""

from __future__ import annotations

import array
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from skyriver.fabric import SLOT_US, TICK_US, group_of, slot_of
from skyriver.services.live.media.detectors.sound import RATE_HZ, LoudnessMeter
from skyriver.services.live.media.engine import INBOX_UNITS, Engine
from skyriver.services.live.media.units import AudioTrack, Encoded, Output, SoundSource, TrackEnded, Unit, VideoTrack
from skyriver.services.live.model import Rendition
from tests.services.live.media import samples
from tests.services.live.media.samples import START_US

LADDER = (Rendition("180p", 320, 180, 250_000), Rendition("90p", 160, 90, 100_000))


def transcode(
    video: Sequence[Unit],
    sound: samples.Sound | None = None,
    *,
    ladder: Sequence[Rendition] = LADDER,
    loudness_lufs: int = 0,
) -> tuple[list[Output], Engine]:
    """Everything that comes out, losslessly."""
    out: list[Output] = []
    engine = Engine(ladder, out.append, live=False, loudness_lufs=loudness_lufs)
    if sound is not None:
        engine.configure_audio(SoundSource("mp4a.40.2", sound.config))
    for unit in video:
        engine.video(unit)
    for unit in sound.units if sound else ():
        engine.audio(unit)
    engine.close(drain=True)
    return out, engine


def track(out: Sequence[Output], name: str) -> list[Encoded]:
    return [o for o in out if isinstance(o, Encoded) and o.track == name]


def heard_lufs(out: Sequence[Output], name: str, *, from_us: int) -> float:
    """The integrated loudness of what a listener decodes from `from_us` on."""
    head = next(o for o in out if isinstance(o, AudioTrack) and o.track == name)
    decoder = av.CodecContext.create("libopus" if name == "opus" else "aac", "r")
    decoder.extradata = head.init
    resampler = av.AudioResampler(format="flt", layout="stereo", rate=RATE_HZ)
    meter, newest = LoudnessMeter(2), None
    for unit in track(out, name):
        for frame in decoder.decode(av.Packet(unit.payload)):
            frame.pts = None
            for piece in resampler.resample(frame) if unit.pts_us >= from_us else ():
                newest = meter.measure(np.asarray(piece.to_ndarray(), np.float32).reshape(-1, 2)) or newest
    assert newest is not None
    return newest.integrated_lufs


def onset_s(levels: Sequence[tuple[float, float]]) -> float:
    """When a series of (time, level) first passes half of its maximum."""
    half = max(level for _, level in levels) / 2
    return next(time for time, level in levels if level > half)


@pytest.mark.parametrize("bframes", [0, 3])
def test_every_picture_comes_out_once_in_order_with_keyframes_on_slots(bframes: int) -> None:
    out, engine = transcode(samples.video(4.5, bframes=bframes, gop=75))
    for rendition in LADDER:
        units = track(out, rendition.name)
        assert len(units) == 135
        assert all(a.pts_us < b.pts_us for a, b in pairwise(units))
        assert [u.pts_us - START_US for u in units if u.keyframe] == [0, 2_000_000, 4_000_000]
        assert all(u.group == slot_of(u.pts_us) * SLOT_US // TICK_US for u in units)
    assert engine.counters.decode_errors == 0


def test_each_group_can_be_joined() -> None:
    out, _ = transcode(samples.video(4, bframes=2))
    group = [u for u in track(out, "180p") if u.group == group_of(START_US + SLOT_US)]
    pictures = samples.decode_video([(u.pts_us, u.payload) for u in group])
    assert len(pictures) == 60
    assert (pictures[0].width, pictures[0].height) == (320, 180)


def test_a_track_is_described_before_its_first_unit() -> None:
    out, _ = transcode(samples.video(0.5), samples.sound(0.5))
    for name in ("180p", "90p", "opus"):
        mine = [o for o in out if not isinstance(o, TrackEnded) and o.track == name]
        assert isinstance(mine[0], VideoTrack | AudioTrack)
        assert isinstance(mine[1], Encoded)
    described = {o.track: o for o in out if isinstance(o, VideoTrack)}
    assert (described["90p"].width, described["90p"].height) == (160, 90)
    assert described["180p"].codec.startswith("avc3.64")


def test_a_restart_in_the_middle_of_a_slot_makes_the_same_groups() -> None:
    units = samples.video(6, gop=45)  # keyframes at 0, 1.5, 3.0, 4.5 s: never on a slot but at 0
    first, _ = transcode(units)
    middle = next(i for i, u in enumerate(units) if u.keyframe and u.pts_us - START_US == 3_000_000)
    second, _ = transcode(units[middle:])
    resumed = track(second, "180p")
    assert resumed[0].keyframe
    assert (resumed[0].pts_us - START_US, resumed[0].group) == (3_000_000, group_of(START_US + 3_000_000))

    def boundaries(out: Sequence[Output]) -> list[tuple[int, int]]:
        return [(u.pts_us, u.group) for u in track(out, "180p") if u.keyframe and u.pts_us >= START_US + 4_000_000]

    assert boundaries(first) == boundaries(second)


def test_picture_and_sound_stay_together() -> None:
    """A flash and a beep at 1.5 s: both come out at 1.5 s."""
    flash = samples.video(3, level=lambda picture, x: 235 if picture >= 45 else 16)
    beep = samples.sound(3, sample=lambda s: 0.5 * math.sin(2 * math.pi * 1000 * s) if s >= 1.5 else 0.0)
    # FFmpeg's encoder puts 1024 samples before the first; their timestamps say so (they begin below START_US).
    out, _ = transcode(flash, beep)

    pictures = samples.decode_video([(u.pts_us, u.payload) for u in track(out, "180p")])
    lumas = [((p.pts or 0) / 1e6, memoryview(p.planes[0])[p.width // 2]) for p in pictures]

    decoder = av.CodecContext.create("libopus", "r")
    head = next(o for o in out if isinstance(o, AudioTrack))
    decoder.extradata = head.init
    levels: list[tuple[float, float]] = []
    for unit in track(out, "opus"):
        for frame in decoder.decode(av.Packet(unit.payload)):
            resampled = av.AudioResampler(format="flt", layout="mono", rate=48_000).resample(frame)[0]
            values = array.array("f", bytes(resampled.planes[0])[: resampled.samples * 4])
            # The decoder may have cut the pre-skip off its first frame; count from the frame's end.
            end_s = unit.pts_us / 1e6 + 0.02
            levels += [(end_s - (len(values) - n) / 48_000, abs(values[n])) for n in range(0, len(values), 48)]
    start_s = START_US / 1e6
    assert onset_s(lumas) - start_s == pytest.approx(1.5, abs=0.001)
    assert onset_s(levels) - start_s == pytest.approx(1.5, abs=0.015)


def test_corruption_is_counted_and_passes_with_the_next_keyframe() -> None:
    rng = random.Random(20_26)
    units = samples.video(6, gop=30, bframes=2)
    damaged = []
    for unit in units:
        broken_gop = START_US + 1_000_000 <= unit.pts_us < START_US + 3_000_000
        if broken_gop and rng.random() < 0.5:
            payload = bytearray(unit.payload)
            for _ in range(max(1, len(payload) // 20)):
                payload[rng.randrange(len(payload))] = rng.randrange(256)
            unit = replace(unit, payload=bytes(payload))
        elif broken_gop and rng.random() < 0.3:
            unit = replace(unit, payload=rng.randbytes(rng.randrange(1, 4000)))
        damaged.append(unit)
    out, engine = transcode(damaged)
    healthy = [u for u in track(out, "180p") if u.pts_us >= START_US + 4_000_000]
    assert len(healthy) == 60
    assert all(a.pts_us < b.pts_us for a, b in pairwise(track(out, "180p")))
    assert engine.counters.decode_errors > 0


def test_garbage_alone_gives_nothing_and_harms_nobody() -> None:
    rng = random.Random(1)
    junk = [Unit(rng.randbytes(rng.randrange(0, 2000)), START_US + n * 33_333, n % 10 == 0) for n in range(200)]
    sound = samples.Sound(b"\x00", [Unit(rng.randbytes(300), START_US + n * 23_000, True) for n in range(50)])
    out, engine = transcode(junk, sound)
    assert not [o for o in out if isinstance(o, Encoded)]
    assert engine.counters.decode_errors > 0


def test_damaged_sound_leaves_a_gap_and_goes_on() -> None:
    sound = samples.sound(3)
    middle = len(sound.units) // 2
    units = [
        replace(u, payload=b"\xff" * len(u.payload)) if middle <= n < middle + 10 else u
        for n, u in enumerate(sound.units)
    ]
    out, _ = transcode([], samples.Sound(sound.config, units))
    opus = track(out, "opus")
    assert opus[-1].pts_us > START_US + 2_800_000
    assert all(a.pts_us < b.pts_us for a, b in pairwise(opus))


def test_the_resolution_may_change_in_the_middle() -> None:
    large = samples.video(2, width=640, height=360)
    small = samples.video(2, width=240, height=180, start_us=START_US + 2_000_000)  # 4:3, and below 180p
    again = samples.video(2, width=640, height=480, start_us=START_US + 4_000_000)
    out, _ = transcode(large + small + again)
    assert TrackEnded("180p") in out
    sizes = [(o.track, o.width, o.height) for o in out if isinstance(o, VideoTrack)]
    assert sizes.count(("180p", 320, 180)) == 1
    assert ("90p", 120, 90) in sizes and ("180p", 240, 180) in sizes
    small_track = track(out, "90p")
    assert len(small_track) == 180
    joined = [u for u in small_track if u.group == group_of(START_US + SLOT_US)]
    assert joined[0].keyframe
    assert samples.decode_video([(u.pts_us, u.payload) for u in joined])[-1].width == 120


@pytest.mark.parametrize(("width", "height"), [(642, 362), (360, 640), (1000, 202), (322, 182)])
def test_unusual_sizes_keep_their_shape(width: int, height: int) -> None:
    out, _ = transcode(samples.video(0.2, width=width, height=height))
    tracks = [o for o in out if isinstance(o, VideoTrack)]
    assert tracks
    for found in tracks:
        assert found.width % 2 == 0 and found.height % 2 == 0
        assert found.width < width and found.height < height
        assert found.width / found.height == pytest.approx(width / height, rel=0.05)


def test_a_source_smaller_than_the_ladder_has_no_ladder() -> None:
    out, _ = transcode(samples.video(0.2, width=128, height=72))
    assert out == []


@pytest.mark.parametrize(
    ("rate_hz", "layout", "channels"), [(8_000, "mono", 1), (48_000, "stereo", 2), (44_100, "5.1", 2)]
)
def test_sound_of_any_shape_becomes_opus_at_48_khz(rate_hz: int, layout: str, channels: int) -> None:
    sound = samples.sound(2, rate_hz=rate_hz, layout=layout)
    out, _ = transcode([], sound)
    head = next(o for o in out if isinstance(o, AudioTrack))
    assert (head.channels, head.sample_rate_hz, head.init[:8]) == (channels, 48_000, b"OpusHead")
    opus = track(out, "opus")
    # One packet is 20 ms; an AAC encoder's priming and rest decide about the last ones.
    assert len(opus) == pytest.approx(len(sound.units) * 1024 / rate_hz / 0.02, abs=2)
    steps = [b.pts_us - a.pts_us for a, b in pairwise(opus)]
    assert all(abs(step - 20_000) < 300 for step in steps)


def test_timestamps_of_rtmp_are_smoothed_and_gaps_are_kept() -> None:
    sound = samples.sound(4)
    rounded = [replace(u, pts_us=u.pts_us // 1000 * 1000) for u in sound.units]  # milliseconds, as on the wire
    gap = [replace(u, pts_us=u.pts_us + (500_000 if u.pts_us > START_US + 2_000_000 else 0)) for u in rounded]
    out, _ = transcode([], samples.Sound(sound.config, gap))
    steps = [b.pts_us - a.pts_us for a, b in pairwise(track(out, "opus"))]
    jumps = [step for step in steps if abs(step - 20_000) > 200]
    assert len(jumps) == 1
    assert jumps[0] == pytest.approx(520_000, abs=25_000)  # what did not fill a packet before the gap is left out


@cache
def quiet() -> samples.Sound:
    return samples.sound(14, sample=lambda s: 0.02 * math.sin(2 * math.pi * 440 * s))


SETTLED_US = START_US + 7_000_000
"""The gain has found the programme by then."""


def test_quiet_sound_comes_out_at_the_channels_loudness_in_both_codecs() -> None:
    out, _ = transcode([], quiet(), loudness_lufs=-23)
    assert heard_lufs(out, "aac", from_us=SETTLED_US) == pytest.approx(-23, abs=0.7)
    assert heard_lufs(out, "opus", from_us=SETTLED_US) == pytest.approx(-23, abs=0.7)
    for name, frame_us in (("aac", 1024 / 0.048), ("opus", 20_000)):
        units = track(out, name)
        assert all(abs(b.pts_us - a.pts_us - frame_us) < 300 for a, b in pairwise(units))
        assert all(a.group <= b.group for a, b in pairwise(units))


def test_without_a_loudness_sound_stays_as_it_is_and_the_publishers_own_is_not_made_again() -> None:
    out, _ = transcode([], quiet())
    assert {o.track for o in out if not isinstance(o, TrackEnded)} == {"opus"}
    assert heard_lufs(out, "opus", from_us=SETTLED_US) == pytest.approx(-34.7, abs=1.0)


def test_levelled_tracks_go_on_when_the_source_becomes_one_of_another_codec() -> None:
    made, _ = transcode([], samples.sound(4, start_us=START_US + 3_000_000))
    opus_head = next(o for o in made if isinstance(o, AudioTrack)).init
    first, second = samples.sound(3), [Unit(e.payload, e.pts_us, True) for e in track(made, "opus")]
    out: list[Output] = []
    heard = Ear()
    engine = Engine([], out.append, live=False, loudness_lufs=-23, observer=heard)
    engine.configure_audio(SoundSource("mp4a.40.2", first.config))
    for unit in first.units:
        engine.audio(unit)
    engine.configure_audio(SoundSource("opus", opus_head))
    for unit in second:
        engine.audio(unit)
    engine.close(drain=True)
    described = [o.track for o in out if isinstance(o, AudioTrack)]
    assert sorted(described) == ["aac", "opus"], "each is described once, and goes on"
    for name in ("aac", "opus"):
        units = track(out, name)
        assert units[-1].pts_us > START_US + 6_800_000
        assert all(a.pts_us < b.pts_us and a.group <= b.group for a, b in pairwise(units))
    assert heard.seconds == pytest.approx(7, abs=0.2), "the observer hears the sound once"
    assert heard.peak == pytest.approx(0.2, abs=0.02), "and as the publishers sent it"


class Ear:
    """An observer that counts what it hears."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.peak = 0.0

    def picture(self, frame: VideoFrame) -> None:
        raise AssertionError("there is no picture")

    def sound(self, frame: AudioFrame) -> None:
        self.seconds += frame.samples / frame.sample_rate
        self.peak = max(self.peak, float(np.abs(frame.to_ndarray()).max(initial=0.0)))


def test_video_without_sound() -> None:
    out, _ = transcode(samples.video(1))
    assert len(track(out, "180p")) == 30
    assert not track(out, "opus")


class Publisher:
    """The clock of a live engine under test: time passes when a unit is sent."""

    def __init__(self) -> None:
        self.now_us = START_US

    def send(self, engine: Engine, units: Sequence[Unit], *, pace: float) -> None:
        for unit in units:
            self.now_us += round(pace * 1_000_000 / 30)
            engine.video(unit)


def test_a_flood_is_never_waited_for_and_resumes_on_a_keyframe() -> None:
    out: list[Output] = []
    publisher = Publisher()
    engine = Engine(LADDER, out.append, live=True, clock=lambda: publisher.now_us)
    units = samples.video(4, gop=30)
    shifted = [replace(u, pts_us=u.pts_us + n * 4_000_000) for n in range(20) for u in units]
    publisher.send(engine, shifted, pace=1.0)  # 80 s of video in no time at all
    engine.close(drain=True)
    assert len(shifted) > INBOX_UNITS and engine.counters.units_dropped > 0
    for rendition in LADDER:
        encoded = track(out, rendition.name)
        assert all(a.pts_us < b.pts_us for a, b in pairwise(encoded))
        assert encoded[0].keyframe
        firsts = {u.group: u for u in reversed(encoded)}
        assert all(unit.keyframe for unit in firsts.values())


def test_a_cold_start_leaves_out_what_is_past_and_begins_with_a_keyframe_at_the_live_edge() -> None:
    out: list[Output] = []
    publisher = Publisher()
    engine = Engine(LADDER, out.append, live=True, clock=lambda: publisher.now_us)
    units = samples.video(3, bframes=2)
    publisher.now_us = START_US + 3600 * 1_000_000  # this machine's clock is an hour off
    publisher.send(engine, units[:40], pace=0.01)  # the group so far, in one go
    publisher.send(engine, units[40:], pace=1.0)
    engine.close(drain=True)
    first = track(out, "180p")[0]
    assert first.keyframe
    assert units[40].pts_us <= first.pts_us + 100_000 and first.pts_us <= units[46].pts_us
    assert first.group == group_of(first.pts_us) > group_of(START_US)
    assert engine.counters.caught_up >= 38


def test_a_closed_engine_takes_no_more_and_does_not_hang() -> None:
    engine = Engine(LADDER, lambda output: None, live=True)
    engine.close()
    for unit in samples.video(0.2):
        engine.video(unit)
    engine.close()
