"""What the detectors cost: CPU of one core, for pictures and sound of a running show.

    python bench/detectors.py [--seconds 20]

The same decoded pictures and the same sound go through a `Watch` as fast as it takes them; process time is divided by
the length of the show. Decoding is not counted: the transcoder does it anyway.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from skyriver.apps.cli.measure.machine import header
from skyriver.services.live.media.detectors import DetectorSettings, Watch

SIZES = ((854, 480), (1280, 720), (1920, 1080))
FPS = 30
RATE_HZ = 48_000
SOUND_SAMPLES = 1024


def pictures_cost(width: int, height: int, seconds: int) -> float:
    """Cores for the picture's detectors at 30 fps."""
    noise = np.random.default_rng(1)
    frames = [
        VideoFrame.from_ndarray(noise.integers(16, 235, (height * 3 // 2, width), dtype=np.uint8), "yuv420p")
        for _ in range(4)
    ]
    watch = Watch(DetectorSettings())
    began = time.process_time()
    for number in range(seconds * FPS):
        frame = frames[number % len(frames)]
        frame.pts = round(number * 1e6 / FPS)
        watch.unit(4000, number % 60 == 0)
        watch.picture(frame)
    return (time.process_time() - began) / seconds


def sound_cost(seconds: int) -> float:
    """Cores for levels, silence and loudness of stereo."""
    samples = np.random.default_rng(2).normal(0, 0.1, (1, SOUND_SAMPLES * 2)).astype(np.float32)
    frame = AudioFrame.from_ndarray(samples, "flt", "stereo")
    frame.sample_rate = RATE_HZ
    watch = Watch(DetectorSettings())
    began = time.process_time()
    for _ in range(seconds * RATE_HZ // SOUND_SAMPLES):
        watch.sound(frame)
    return (time.process_time() - began) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="length of the show")
    seconds = parser.parse_args().seconds
    print(header())
    sound = sound_cost(seconds)
    print(f"{'picture':<12}{'pictures':>10}{'sound':>10}{'together':>10}   (per cent of one core)")
    for width, height in SIZES:
        cost = pictures_cost(width, height, seconds)
        print(f"{width}x{height:<8}{cost:>10.2%}{sound:>10.2%}{cost + sound:>10.2%}")


if __name__ == "__main__":
    main()
