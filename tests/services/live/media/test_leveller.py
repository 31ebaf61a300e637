"""Loudness is brought to a target, slowly; peaks stay below the ceiling; silence stays silence."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from skyriver.services.live.media.detectors.sound import RATE_HZ, LoudnessMeter, Samples
from skyriver.services.live.media.leveller import CEILING, GATE_LUFS, Leveller

BLOCK = 960


def programme(seconds: float, level: float, channels: int = 2) -> Samples:
    """Noise with the rhythm of speech: half a second of sound, a fifth of a pause."""
    rng = np.random.default_rng(3)
    samples = rng.normal(0, 1, (round(seconds * RATE_HZ), 1)).astype(np.float32)
    time_s = np.arange(len(samples)) / RATE_HZ
    spoken = ((time_s % 0.7) < 0.5).astype(np.float32)[:, None]
    return np.repeat(np.clip(samples * spoken * level, -1, 1), channels, axis=1)


def levelled(samples: Samples, target_lufs: float) -> tuple[Samples, Leveller]:
    leveller = Leveller(target_lufs, samples.shape[1])
    blocks = [leveller.process(samples[at : at + BLOCK]) for at in range(0, len(samples), BLOCK)]
    return np.concatenate(blocks), leveller


def integrated_lufs(samples: Samples) -> float:
    meter, newest = LoudnessMeter(samples.shape[1]), None
    for at in range(0, len(samples), BLOCK):
        newest = meter.measure(samples[at : at + BLOCK]) or newest
    assert newest is not None
    return newest.integrated_lufs


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("level", [0.01, 0.05, 0.25])
def test_quiet_and_loud_programmes_come_out_alike(level: float, channels: int) -> None:
    out, _ = levelled(programme(20, level, channels), -23)
    assert integrated_lufs(out[10 * RATE_HZ :]) == pytest.approx(-23, abs=1.0)


def test_what_is_right_already_is_left_alone() -> None:
    samples = programme(20, 0.05)
    target = integrated_lufs(samples)
    out, leveller = levelled(samples, target)
    assert abs(leveller.gain_db) < 1.0
    assert integrated_lufs(out) == pytest.approx(target, abs=0.7)


def test_peaks_stay_below_the_ceiling() -> None:
    samples = programme(12, 0.01)
    samples[8 * RATE_HZ : 8 * RATE_HZ + 500] = 0.9  # a door slams after the gain has risen
    out, leveller = levelled(samples, -14)
    assert leveller.gain_db > 6
    assert np.abs(out).max() <= CEILING


def test_silence_and_noise_floors_are_not_pumped_up() -> None:
    rng = np.random.default_rng(5)
    floor = (rng.normal(0, 1, (10 * RATE_HZ, 2)) * 0.0005).astype(np.float32)
    assert integrated_lufs(floor) < GATE_LUFS
    out, leveller = levelled(floor, -23)
    assert leveller.gain_db == 0
    assert (out == floor).all()


def test_the_gain_moves_slowly_once_the_programme_is_known() -> None:
    samples = np.concatenate([programme(15, 0.1), programme(4, 0.02)])
    leveller, gains = Leveller(-23, 2), []
    for at in range(0, len(samples), BLOCK):
        leveller.process(samples[at : at + BLOCK])
        gains.append(leveller.gain_db)
    known = gains[10 * RATE_HZ // BLOCK :]
    per_block_db = max(b - a for a, b in pairwise(known))
    assert per_block_db <= 0.5 * BLOCK / RATE_HZ + 1e-6
