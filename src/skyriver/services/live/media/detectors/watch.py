"""All detectors of one channel, fed from the transcoder's threads and read once a second."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import Any

import numpy as np
from av.audio.frame import AudioFrame
from av.error import FFmpegError
from av.video.frame import VideoFrame

from skyriver.kernel.clock import Monotonic, monotonic_s
from skyriver.services.live.media.detectors.arrivals import Arrivals
from skyriver.services.live.media.detectors.picture import PictureSampler, StillPicture, is_black
from skyriver.services.live.media.detectors.settings import DetectorSettings
from skyriver.services.live.media.detectors.sound import Levels, Loudness, LoudnessMeter, Samples

STALE_S = 3.0
"""A picture or sound older than this says nothing about now; then its states are left out, which is "not known"."""


class Watch:
    """Feed `picture` from the decoder's thread, `sound` from the audio thread, `unit` from where units arrive; read
    `report` anywhere. An error in here is swallowed: looking at a show must never stop it."""

    def __init__(self, settings: DetectorSettings, *, monotonic: Monotonic = monotonic_s) -> None:
        self.settings = settings
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._arrivals = Arrivals()
        self._sampler = PictureSampler()
        self._still = StillPicture()
        self._picture: dict[str, bool] = {}
        self._picture_at_s = -STALE_S
        self._levels = Levels()
        self._meter: LoudnessMeter | None = None
        self._channels = 0
        self._loudness: Loudness | None = None
        self._silent = False
        self._sound_at_s = -STALE_S
        self.errors = 0

    def unit(self, size_bytes: int, keyframe: bool) -> None:
        """One compressed picture arrived."""
        if self.settings.enabled:
            with self._lock:
                self._arrivals.add(size_bytes, keyframe, self._monotonic())

    def picture(self, frame: VideoFrame) -> None:
        """One decoded picture; most are passed over."""
        if not self.settings.enabled:
            return
        try:
            luma = self._sampler.sample(frame)
            if luma is None:
                return
            black = is_black(luma, self.settings)
            still = self._still.look(luma, frame.pts or 0, self.settings)
        except (FFmpegError, ValueError):
            self.errors += 1
            return
        with self._lock:
            # A black picture stands still as well: one trouble, one name.
            self._picture = {"black": black, "frozen": still and not black}
            self._picture_at_s = self._monotonic()

    def sound(self, frame: AudioFrame) -> None:
        """Decoded sound: 48 kHz, interleaved floats."""
        if not self.settings.enabled:
            return
        try:
            channels = frame.layout.nb_channels
            self._hear(frame.to_ndarray().reshape(-1, channels).astype(np.float32, copy=False), channels)
        except (FFmpegError, ValueError):
            self.errors += 1
            self._meter = None

    def _hear(self, samples: Samples, channels: int) -> None:
        if self._meter is None or channels != self._channels:
            self._meter, self._channels = LoudnessMeter(channels), channels
        loudness = self._meter.measure(samples)
        levels = self._levels.take(samples)
        with self._lock:
            self._loudness = loudness or self._loudness
            if levels:
                self._silent = all(level < self.settings.silence_dbfs for block in levels for level in block)
            self._sound_at_s = self._monotonic()

    def report(self) -> dict[str, Any]:
        """What is seen now, for the metrics: `states` (only those that are known), `arrivals` and `sound`."""
        if not self.settings.enabled:
            return {}
        now_s = self._monotonic()
        with self._lock:
            arrivals = self._arrivals.state(self.settings, now_s)
            states: dict[str, bool] = {}
            report: dict[str, Any] = {"states": states}
            if now_s - self._picture_at_s < STALE_S:
                states |= self._picture
            if now_s - self._sound_at_s < STALE_S:
                states |= self._sound_states()
                report["sound"] = {"levels_dbfs": list(self._levels.dbfs)}
                if self._loudness is not None:
                    report["sound"] |= {name: round(value, 1) for name, value in asdict(self._loudness).items()}
        if arrivals is not None:
            fields = asdict(arrivals)
            states |= {name: fields.pop(name) for name in ("bitrate_low", "fps_low", "no_keyframe")}
            report["arrivals"] = fields
        return report

    def _sound_states(self) -> dict[str, bool]:
        states = {"silent": self._silent}
        if self._loudness is not None and not self._silent:
            short_term = self._loudness.short_term_lufs
            states["too_loud"] = short_term > self.settings.loud_max_lufs
            states["too_quiet"] = short_term < self.settings.loud_min_lufs
        return states
