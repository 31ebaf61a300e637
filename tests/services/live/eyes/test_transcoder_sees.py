"""The engine lets an observer see and hear what it decodes: real H.264 and AAC in, states of detectors out."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from skyriver.services.live.media.detectors import DetectorSettings, Watch
from skyriver.services.live.media.engine import Engine
from skyriver.services.live.media.units import SoundSource, Unit
from skyriver.services.live.model import Rendition

FPS, SECONDS, RATE_HZ = 10, 4, 48_000
SMALL = Rendition("90p", 160, 90, 100_000)


def dark_h264() -> Iterable[Unit]:
    """Four seconds of black, a keyframe each second, stamped in microseconds."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 320, 180, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(FPS), "x264-params": "repeat-headers=1"}
    for number in range(FPS * SECONDS):
        frame = VideoFrame.from_ndarray(np.zeros((180, 320, 3), np.uint8), "rgb24")
        frame.pts = number
        for packet in encoder.encode(frame):
            yield Unit(bytes(packet), round(number * 1e6 / FPS), packet.is_keyframe)


def silent_aac() -> tuple[bytes, list[Unit]]:
    """AudioSpecificConfig, and four seconds of stereo silence."""
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, "stereo", "fltp"
    encoder.time_base = Fraction(1, RATE_HZ)
    encoder.open()
    units = []
    for start in range(0, RATE_HZ * SECONDS, 1024):
        frame = AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
        units += [Unit(bytes(p), round((p.pts or 0) * 1e6 / RATE_HZ), True) for p in encoder.encode(frame)]
    return bytes(encoder.extradata or b""), units


@pytest.mark.parametrize("renditions", [(SMALL,), ()], ids=["with a ladder", "source only"])
def test_a_dark_and_silent_show_is_seen_and_heard(renditions: tuple[Rendition, ...]) -> None:
    watch = Watch(DetectorSettings(), monotonic=lambda: 100.0)
    engine = Engine(renditions, lambda _output: None, live=False, fps=FPS, observer=watch)
    config, sound = silent_aac()
    engine.configure_audio(SoundSource("mp4a.40.2", config))
    for unit in sound:
        engine.audio(unit)
    for unit in dark_h264():
        watch.unit(len(unit.payload), unit.keyframe)
        engine.video(unit)
    engine.close(drain=True)
    report = watch.report()
    assert report["states"]["black"] is True and report["states"]["silent"] is True
    assert report["sound"]["short_term_lufs"] == -70.0
    assert watch.errors == 0
