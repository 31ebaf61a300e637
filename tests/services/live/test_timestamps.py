"""The timestamp normaliser, against simulated encoders with a clock of their own."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyriver.services.live.timestamps import COMPOSITION_MAX_US, FORWARD_US, Timeline

START_US = 1_800_000_000_000_000
WRAP = 1 << 32


@dataclass
class Encoder:
    """25 fps video with two B-frames, and AAC at 48 kHz, stamped by a crystal that is wrong by `ppm`."""

    timeline: Timeline
    origin_ms: int = 0
    ppm: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 0
    begun_us: int = START_US
    video: list[tuple[int, int, int]] = field(default_factory=list)  # true time, DTS, PTS, all in us
    audio: list[tuple[int, int]] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        rng = random.Random(self.seed)
        frames = [(i * 40.0, "video") for i in range(int(seconds * 25))]
        frames += [(i * 1024 / 48, "audio") for i in range(int(seconds * 48000 / 1024))]
        for true_ms, kind in sorted(frames):
            wire = (self.origin_ms + int(true_ms * (1 + self.ppm / 1e6))) % WRAP
            true_us = self.begun_us + int(true_ms * 1000)
            arrival_us = true_us + int(rng.random() * self.jitter_ms * 1000)
            if kind == "video":
                stamp = self.timeline.video(wire, wire + rng.choice((0, 40, 80)), arrival_us)
                self.video.append((true_us, stamp.dts_us, stamp.pts_us))
            else:
                self.audio.append((true_us, self.timeline.audio(wire, arrival_us)))
        self.begun_us += int(seconds * 1e6)

    def worst_error_us(self, *, after_s: float = 0.0) -> int:
        since = START_US + int(after_s * 1e6)
        return max(abs(out - true) for true, out, *_ in (*self.video, *self.audio) if true >= since)


def increasing(times: list[int]) -> bool:
    return all(a < b for a, b in itertools.pairwise(times))


def test_first_frame_maps_to_its_arrival_and_composition_is_kept() -> None:
    timeline = Timeline()
    first, second = timeline.video(5_000, 5_080, START_US), timeline.video(5_040, 5_040, START_US + 40_000)
    assert (first.dts_us, first.pts_us) == (START_US, START_US + 80_000)
    assert (second.dts_us, second.pts_us) == (START_US + 40_000, START_US + 40_000)


def test_audio_and_video_share_one_mapping() -> None:
    """A late arrival of the first audio frame must not move the voice against the lips."""
    timeline = Timeline()
    timeline.video(1_000, 1_000, START_US)
    assert timeline.audio(1_020, START_US + 150_000) == START_US + 20_000


@pytest.mark.parametrize("ppm", [-200.0, 0.0, 200.0])
def test_drift_is_followed_for_an_hour(ppm: float) -> None:
    encoder = Encoder(Timeline(), ppm=ppm, jitter_ms=30.0, seed=7)
    encoder.run(3600)
    assert encoder.worst_error_us(after_s=60) < 40_000
    assert encoder.timeline.jumps == 0
    assert increasing([dts for _, dts, _ in encoder.video]) and increasing([pts for _, pts in encoder.audio])
    if ppm:
        assert abs(encoder.timeline.drift_us) > 600_000  # 0.72 s of drift was taken up, not passed on


def test_wrap_after_49_days_is_an_ordinary_step() -> None:
    encoder = Encoder(Timeline(), origin_ms=WRAP - 5_000)
    encoder.run(10)
    assert encoder.timeline.jumps == 0
    assert encoder.worst_error_us() <= 1_000


@pytest.mark.parametrize("jump_ms", [-3_600_000, -1_000, 60_000, 1 << 31, 4_000_000_000])
def test_absurd_jump_costs_a_join_and_nothing_else(jump_ms: int) -> None:
    encoder = Encoder(Timeline(), origin_ms=10_000_000)
    encoder.run(10)
    encoder.origin_ms = (encoder.origin_ms + 10_000 + jump_ms) % WRAP
    encoder.run(10)
    assert encoder.timeline.jumps == 1, "the second track joins the mapping that the first one began"
    assert encoder.worst_error_us() < 150_000
    assert increasing([dts for _, dts, _ in encoder.video]) and increasing([pts for _, pts in encoder.audio])


def test_one_absurd_frame_leaves_the_other_track_alone() -> None:
    timeline = Timeline()
    for i in range(50):
        now = START_US + i * 40_000
        timeline.video(i * 40 if i != 25 else 3_000_000_000, 0, now)
        assert timeline.audio(i * 40, now) - START_US == i * 40_000
    assert timeline.video(2_000, 2_000, START_US + 2_000_000).dts_us == START_US + 2_000_000


def test_a_pause_in_which_both_clocks_advance_is_no_jump() -> None:
    timeline = Timeline()
    timeline.video(0, 0, START_US)
    assert timeline.video(20_000, 20_000, START_US + 20_000_000).dts_us == START_US + 20_000_000
    assert timeline.jumps == 0


def test_backlog_after_a_network_outage_keeps_its_own_times() -> None:
    timeline = Timeline()
    for i in range(100):
        arrival = i * 40_000 if i < 25 else max(i * 40_000, 3_000_000)
        assert timeline.video(i * 40, i * 40, START_US + arrival).dts_us == START_US + i * 40_000


def test_encoder_slower_than_real_time_steps_forward() -> None:
    timeline = Timeline()
    worst_us = 0
    for i in range(25 * 120):
        now = START_US + i * 60_000  # 1.5 times too slow
        worst_us = max(worst_us, now - timeline.video(i * 40, i * 40, now).dts_us)
    assert worst_us < 10_000_000, "without a step this would be 60 s"


def test_faster_than_real_time_shows_as_lead() -> None:
    timeline = Timeline()
    for i in range(250):
        timeline.video(i * 40, i * 40, START_US + i * 1_000)
    assert timeline.lead_us(START_US + 250_000) > 9_000_000


@pytest.mark.parametrize("away_us", [100_000, 30_000_000])
def test_republish_continues_after_the_high_water_mark(away_us: int) -> None:
    timeline = Timeline()
    for i in range(100):
        timeline.video(i * 40, i * 40 + 80, START_US + i * 10_000)  # four times too fast: ahead of the clock
    mark = timeline.high_water_us
    timeline.begin()
    now = START_US + 1_000_000 + away_us
    again = timeline.video(0, 0, now)
    assert again.dts_us == max(now, mark + 1)
    assert timeline.audio(0, now) > mark
    assert Timeline(high_water_us=mark).video(0, 0, START_US).dts_us == mark + 1


def test_negative_and_absurd_composition_times_are_bounded() -> None:
    timeline = Timeline()
    assert timeline.video(1_000, 900, START_US).pts_us == START_US
    later = timeline.video(1_040, 1_040 + 8_000_000, START_US + 40_000)
    assert later.pts_us - later.dts_us == COMPOSITION_MAX_US


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.integers(0, WRAP - 1) | st.integers(0, 3_000),
            st.integers(-(1 << 23), (1 << 23) - 1),
            st.integers(0, 5_000_000),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_order_holds_whatever_comes(frames: list[tuple[bool, int, int, int, bool]]) -> None:
    timeline, now = Timeline(), START_US
    video, audio = [0], [0]
    for is_video, wire_ms, composition_ms, waited_us, republish in frames:
        now += waited_us
        if republish:
            timeline.begin()
        mark = timeline.high_water_us
        if is_video:
            stamp = timeline.video(wire_ms, wire_ms + composition_ms, now)
            assert stamp.dts_us > video[-1]
            assert stamp.dts_us <= stamp.pts_us <= max(stamp.dts_us, max(now, mark) + FORWARD_US + 2 * 10_000_000)
            video.append(stamp.dts_us)
        else:
            audio.append(timeline.audio(wire_ms, now))
            assert audio[-1] > audio[-2]
        if republish:
            assert max(video[-1], audio[-1]) > mark
        assert timeline.high_water_us >= max(video[-1], audio[-1])
