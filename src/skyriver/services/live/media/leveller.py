"""Brings a programme's loudness to a target (EBU R 128; ITU-R BS.1770-5), live: slowly, and without clipping.

A live programme cannot be measured to its end first, as R 128's normalisation does with files, and a look-ahead would
be delay. So the gain follows the programme's own short-term loudness, averaged over half a minute of what is not
silence, by decibels a second that nobody hears: a quiet speaker is lifted, the difference between two sentences stays.
Peaks that the gain would lift above the ceiling are held below it.
"""

from __future__ import annotations

import math

import numpy as np

from skyriver.services.live.media.detectors.sound import RATE_HZ, LoudnessMeter, Samples

CEILING = 10 ** (-1 / 20)
"""-1 dB of full scale: R 128's permitted maximum true peak."""

GATE_LUFS = -50.0
"""Quieter than this is silence or a noise floor, which must not be pumped up."""

GAIN_MAX_DB, GAIN_MIN_DB = 15.0, -20.0
RISE_DB_PER_S, FALL_DB_PER_S = 0.5, 2.0
FIRST_DB_PER_S = 6.0  # until the programme is known, the first seconds are brought there quickly
KNOWN_AFTER_S = 6.0
AVERAGE_S = 30.0
_RELEASE_S = 0.2


class Leveller:
    """One stream of 48 kHz sound. Not thread-safe; a new layout needs a new leveller.

    Args:
        target_lufs: programme loudness, e.g. -23 (EBU R 128) or -14 to -16 (what streaming players use).
        channels: 1 or 2.
    """

    def __init__(self, target_lufs: float, channels: int) -> None:
        self._target_lufs = target_lufs
        self._meter = LoudnessMeter(channels)
        self._loudness_lufs: float | None = None
        self._heard_s = 0.0  # of what is not silence
        self._gain_db = 0.0
        self._held = 1.0  # the limiter's factor at the end of the last block

    @property
    def gain_db(self) -> float:
        """What is applied now."""
        return self._gain_db

    def process(self, samples: Samples) -> Samples:
        """The same sound at the target's loudness; samples x channels, as they came."""
        duration_s = len(samples) / RATE_HZ
        before_db = self._gain_db
        self._follow(samples, duration_s)
        ramp = np.linspace(before_db, self._gain_db, len(samples), endpoint=False, dtype=np.float32)
        lifted = samples * np.power(np.float32(10.0), ramp / 20)[:, None]
        return self._limit(lifted, duration_s)

    def _follow(self, samples: Samples, duration_s: float) -> None:
        measured = self._meter.measure(samples)
        if measured is not None and measured.momentary_lufs > GATE_LUFS:
            # Short-term loudness needs three seconds; until then the momentary one says more.
            known = self._heard_s >= 3.0
            newest = measured.short_term_lufs if known else measured.momentary_lufs
            weight = min(1.0, 0.1 / min(max(self._heard_s, 0.1), AVERAGE_S))
            average = newest if self._loudness_lufs is None else self._loudness_lufs
            self._loudness_lufs = average + weight * (newest - average)
            self._heard_s += 0.1
        if self._loudness_lufs is None:
            return
        wanted_db = min(GAIN_MAX_DB, max(GAIN_MIN_DB, self._target_lufs - self._loudness_lufs))
        rise, fall = (RISE_DB_PER_S, FALL_DB_PER_S) if self._heard_s > KNOWN_AFTER_S else (FIRST_DB_PER_S,) * 2
        step_db = min(rise * duration_s, max(-fall * duration_s, wanted_db - self._gain_db))
        self._gain_db += step_db

    def _limit(self, samples: Samples, duration_s: float) -> Samples:
        """Hold peaks below the ceiling: down within the block in which they are, up again over a fifth of a second."""
        peak = float(np.abs(samples).max(initial=0.0))
        needed = min(1.0, CEILING / peak) if peak > 0 else 1.0
        recovered = 1 - (1 - self._held) * math.exp(-duration_s / _RELEASE_S)
        after = min(needed, recovered)
        if self._held >= 1.0 and after >= 1.0:
            return samples
        ramp = np.linspace(self._held, after, len(samples), endpoint=False, dtype=np.float32)[:, None]
        self._held = after
        held: Samples = np.clip(samples * ramp, -CEILING, CEILING)
        return held
