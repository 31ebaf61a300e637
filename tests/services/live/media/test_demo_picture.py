"""The demo picture: its clocks can be read, also after scaling and encoding; the sound has no seams."""

from __future__ import annotations

import array
from itertools import pairwise

import pytest

from skyriver.services.live.media.clock_strip import BITS, read_strip, strip_row
from skyriver.services.live.media.picture import DemoPicture
from skyriver.services.live.media.tone import FRAME_SAMPLES, RATE_HZ, Tone
from skyriver.services.live.media.units import MICROSECONDS, Unit
from skyriver.services.live.model import PROFILES, ProfileName
from tests.services.live.media import samples
from tests.services.live.media.test_engine import track, transcode

NOW_MS = 1_795_426_632_287


@pytest.mark.parametrize("width", [320, 426, 960, 1280, 1920])
@pytest.mark.parametrize("time_ms", [0, NOW_MS, (1 << BITS) - 1, 0xAAAAAAAAAAAA, 0x555555555555])
def test_the_strip_reads_back(width: int, time_ms: int) -> None:
    row = strip_row(time_ms, width)
    assert len(row) == width
    assert read_strip(memoryview(row * 100), width, 100, width) == time_ms


@pytest.mark.parametrize(("width", "height"), [(320, 180), (960, 540), (1280, 720), (640, 480)])
def test_each_picture_shows_its_own_time(width: int, height: int) -> None:
    picture = DemoPicture(width, height)
    for step in range(0, 20_000, 333):
        frame = picture.draw((NOW_MS + step) * 1000 + 999)
        shown = read_strip(memoryview(frame.planes[0]), width, height, frame.planes[0].line_size)
        assert shown == NOW_MS + step


def test_what_moved_away_leaves_no_trace() -> None:
    """A picture drawn after many others is the picture drawn first."""
    fresh, used = DemoPicture(640, 360), DemoPicture(640, 360)
    for step in range(100):
        used.draw((NOW_MS + step * 40) * 1000)
    moment_us = (NOW_MS + 9_000) * 1000
    for one, other in zip(fresh.draw(moment_us).planes, used.draw(moment_us).planes, strict=True):
        assert bytes(one) == bytes(other)


def test_the_strip_survives_the_smallest_rendition() -> None:
    import av

    picture = DemoPicture(1280, 720)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 1280, 720, "yuv420p"
    encoder.time_base = MICROSECONDS
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "24"}
    units = []
    times_ms = {samples.START_US + n * 40_000: NOW_MS + n * 40 for n in range(60)}
    for pts_us, time_ms in times_ms.items():
        frame = picture.draw(time_ms * 1000)
        frame.pts, frame.time_base = pts_us, MICROSECONDS
        units += [Unit(bytes(p), p.pts or 0, p.is_keyframe) for p in encoder.encode(frame)]
    out, _ = transcode(units, ladder=PROFILES[ProfileName.LIGHT].renditions)
    small = samples.decode_video([(u.pts_us, u.payload) for u in track(out, "180p")])
    assert len(small) == 60
    for frame in small:
        shown = read_strip(memoryview(frame.planes[0]), frame.width, frame.height, frame.planes[0].line_size)
        assert shown == times_ms[frame.pts or 0]


def test_the_tone_has_no_seams_not_even_between_seconds() -> None:
    tone = Tone()
    played = array.array("f")
    for index in range(100):
        start_us = 5_900_000 + index * FRAME_SAMPLES * 1_000_000 // RATE_HZ
        frame = tone.frame(start_us)
        played.frombytes(bytes(frame.planes[0])[: FRAME_SAMPLES * 4])
    assert max(abs(a - b) for a, b in pairwise(played)) < 0.05
    assert max(played) > 0.2  # the beep
