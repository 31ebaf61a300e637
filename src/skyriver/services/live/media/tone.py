"""The demo channel's sound: a quiet tone, with a beep on each full second of UTC (look and listen: lip sync).

The samples of one second are made once; a frame is a window into them, placed by the time it is played at.
"""

from __future__ import annotations

import array
import math

from av.audio.frame import AudioFrame

RATE_HZ = 48_000
FRAME_SAMPLES = 1024  # AAC's
TONE_HZ, TONE_LEVEL = 220, 0.04
BEEP_HZ, BEEP_LEVEL, BEEP_S = 880, 0.25, 0.08


class Tone:
    """Mono float samples; whole numbers of periods in a second, so that seconds join without a click."""

    def __init__(self) -> None:
        second = array.array("f", (self._sample(n) for n in range(RATE_HZ)))
        self._samples = (second + second[:FRAME_SAMPLES]).tobytes()

    def frame(self, utc_us: int) -> AudioFrame:
        """The frame whose first sample is played at `utc_us` (microseconds since the Unix epoch)."""
        first = utc_us % 1_000_000 * RATE_HZ // 1_000_000
        frame = AudioFrame("fltp", "mono", FRAME_SAMPLES)
        frame.sample_rate = RATE_HZ
        frame.planes[0].update(self._samples[first * 4 : (first + FRAME_SAMPLES) * 4])
        return frame

    @staticmethod
    def _sample(n: int) -> float:
        seconds = n / RATE_HZ
        value = TONE_LEVEL * math.sin(2 * math.pi * TONE_HZ * seconds)
        if seconds < BEEP_S:
            envelope = math.sin(math.pi * seconds / BEEP_S)
            value += BEEP_LEVEL * envelope * math.sin(2 * math.pi * BEEP_HZ * seconds)
        return value
