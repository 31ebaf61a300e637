"""Loudness by the figures of EBU Tech 3341, levels and silence; arrivals at times of our own; all of it together."""

from __future__ import annotations

import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from skyriver.services.live.media.detectors import DetectorSettings, Watch
from skyriver.services.live.media.detectors.arrivals import KNOWN_FROM_SECONDS, Arrivals
from skyriver.services.live.media.detectors.sound import FLOOR_DBFS, FLOOR_LUFS, Levels, LoudnessMeter, Samples

RATE_HZ = 48_000
FRAME = 1024


def sine(dbfs: float, seconds: float, channels: int = 2) -> Samples:
    """1 kHz, as the compliance tests of EBU Tech 3341 have it; `dbfs` is the peak."""
    wave = np.sin(np.arange(int(RATE_HZ * seconds)) * 2 * np.pi * 1000 / RATE_HZ) * 10 ** (dbfs / 20)
    return np.repeat(wave.astype(np.float32)[:, None], channels, axis=1)


def measured(samples: Samples) -> tuple[float, float, float]:
    meter = LoudnessMeter(samples.shape[1])
    newest = None
    for start in range(0, len(samples), FRAME):
        newest = meter.measure(samples[start : start + FRAME]) or newest
    assert newest is not None
    return newest.momentary_lufs, newest.short_term_lufs, newest.integrated_lufs


def test_ebu_tech_3341_case_1_and_2() -> None:
    assert measured(sine(-23, 20)) == pytest.approx((-23, -23, -23), abs=0.1)
    assert measured(sine(-33, 20)) == pytest.approx((-33, -33, -33), abs=0.1)


def test_ebu_tech_3341_case_3_the_gate_leaves_out_what_is_quiet() -> None:
    whole = np.concatenate([sine(-36, 10), sine(-23, 60), sine(-36, 10)])
    assert measured(whole)[2] == pytest.approx(-23, abs=0.1)


def test_mono_counts_as_one_channel_and_silence_is_at_the_floor() -> None:
    assert measured(sine(-20, 5, channels=1))[1] == pytest.approx(-23, abs=0.1)
    assert measured(np.zeros((RATE_HZ * 4, 2), np.float32)) == (FLOOR_LUFS, FLOOR_LUFS, FLOOR_LUFS)


def test_levels_by_channel() -> None:
    levels = Levels()
    left = sine(-20, 1.0)
    left[:, 1] = 0
    blocks = levels.take(left[:3000]) + levels.take(left[3000:])
    assert len(blocks) == 10
    assert blocks[5][0] == pytest.approx(-23.0, abs=0.1) and blocks[5][1] == FLOOR_DBFS


class Feed:
    """A publisher at a rate, on a clock of its own."""

    def __init__(self) -> None:
        self.arrivals = Arrivals()
        self.now_s = 1000.0

    def run(self, seconds: float, *, fps: int = 30, unit_bytes: int = 4000, gop: int = 60) -> None:
        for number in range(int(seconds * fps)):
            self.arrivals.add(unit_bytes, number % gop == 0, self.now_s)
            self.now_s += 1 / fps
        if not fps:
            self.now_s += seconds

    def low(self, settings: DetectorSettings | None = None) -> set[str]:
        state = self.arrivals.state(settings or DetectorSettings(), self.now_s)
        assert state is not None
        return {name for name in ("bitrate_low", "fps_low", "no_keyframe") if getattr(state, name)}


def test_collapses_are_judged_by_what_the_channel_usually_has() -> None:
    feed = Feed()
    feed.run(5)
    feed.run(6, unit_bytes=100)
    assert feed.low() == set(), "nobody knows yet what is usual"
    feed.run(KNOWN_FROM_SECONDS)
    assert feed.low() == set()
    feed.run(7, unit_bytes=500)
    assert feed.low() == {"bitrate_low"}
    feed.run(7, fps=10, unit_bytes=12_000)
    assert feed.low() == {"fps_low"}
    feed.run(300, fps=10, unit_bytes=12_000)
    assert feed.low() == {"fps_low"}, "minutes of a collapse do not become normal"
    feed.run(7)
    assert feed.low() == set()


def test_nothing_at_all_is_the_worst_collapse() -> None:
    feed = Feed()
    assert feed.arrivals.state(DetectorSettings(), feed.now_s) is None
    feed.run(KNOWN_FROM_SECONDS + 5)
    feed.now_s += 12
    assert feed.low() == {"bitrate_low", "fps_low", "no_keyframe"}
    feed.now_s += 3600
    assert feed.low() == {"bitrate_low", "fps_low", "no_keyframe"}
    feed.run(7)
    assert feed.low() == set()


def test_keyframes_that_stay_away_and_the_gop() -> None:
    feed = Feed()
    feed.run(10, gop=60)
    state = feed.arrivals.state(DetectorSettings(), feed.now_s)
    assert state is not None and state.gop_ms == 2000 and not state.no_keyframe
    feed.run(12, gop=10_000)
    assert feed.low() == {"no_keyframe"}
    assert feed.low(DetectorSettings(keyframe_max_s=20)) == set()


class Clock:
    def __init__(self) -> None:
        self.seconds = 500.0

    def __call__(self) -> float:
        return self.seconds


def sound(samples: Samples) -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), "flt", "stereo")
    frame.sample_rate = RATE_HZ
    return frame


def test_the_watch_puts_it_together_and_forgets_what_is_old() -> None:
    clock = Clock()
    watch = Watch(DetectorSettings(), monotonic=clock)
    assert watch.report() == {"states": {}}
    black = VideoFrame(320, 180, "yuv420p")
    for plane, value in zip(black.planes, (16, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    for number in range(13):
        black.pts = number * 250_000
        watch.picture(black)
    watch.unit(1000, True)
    watch.sound(sound(np.zeros((RATE_HZ, 2), np.float32)))
    report = watch.report()
    assert report["states"] == {
        "black": True,
        "frozen": False,
        "silent": True,
        "bitrate_low": False,
        "fps_low": False,
        "no_keyframe": False,
    }
    for _ in range(4):
        watch.sound(sound(sine(-3, 1.0)))
    loud = watch.report()
    assert loud["states"]["silent"] is False and loud["states"]["too_loud"] is True
    assert loud["sound"]["short_term_lufs"] == pytest.approx(-3.0, abs=0.5)
    assert loud["sound"]["levels_dbfs"] == [pytest.approx(-6.0, abs=0.1)] * 2
    clock.seconds += 60
    assert set(watch.report()["states"]) == {"bitrate_low", "fps_low", "no_keyframe"}


def test_a_watch_that_is_switched_off_does_nothing() -> None:
    watch = Watch(DetectorSettings(enabled=False))
    watch.unit(1000, True)
    watch.picture(VideoFrame(16, 16, "yuv420p"))
    assert watch.report() == {}


def test_settings_are_stored_by_what_differs_and_read_in_spite_of_what_is_unknown() -> None:
    own = DetectorSettings(black_alarm_s=3.0)
    assert own.differing() == {"black_alarm_s": 3.0}
    assert DetectorSettings.parse({**own.differing(), "of_a_later_version": 1}) == own
