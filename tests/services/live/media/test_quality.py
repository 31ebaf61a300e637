"""How good a rendition must be: measured on pictures, chosen by a rule."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from av.video.frame import VideoFrame

from skyriver.fabric import slot_of
from skyriver.services.live.media.engine import Engine
from skyriver.services.live.media.quality import CRF_DEFAULT, QualityProbe, Sample, Trial, Verdict, choose
from skyriver.services.live.media.quality.probe import SAMPLE_PICTURES, measure, measure_ladder
from skyriver.services.live.media.quality.ssim import luma, ssim
from skyriver.services.live.media.rendition import RenditionEncoder
from skyriver.services.live.media.units import MICROSECONDS, Encoded, Output
from skyriver.services.live.model import Rendition
from tests.services.live.media import samples

RUNG = Rendition("180p", 320, 180, 400_000)


def picture(pixels: np.ndarray, pts_us: int = 0) -> VideoFrame:
    frame = VideoFrame.from_ndarray(
        np.vstack([pixels, np.full((pixels.shape[0] // 2, pixels.shape[1]), 128, np.uint8)]), format="yuv420p"
    )
    frame.pts, frame.time_base = pts_us, MICROSECONDS
    return frame


def slides() -> tuple[VideoFrame, ...]:
    """Nothing moves."""
    pixels = np.full((180, 320), 200, np.uint8)
    pixels[40:60, 40:280] = 30
    return tuple(picture(pixels.copy()) for _ in range(SAMPLE_PICTURES))


def noise() -> tuple[VideoFrame, ...]:
    """Everything changes: confetti, rain, a crowd."""
    rng = np.random.default_rng(1)
    return tuple(picture(rng.integers(0, 255, (180, 320), dtype=np.uint8)) for _ in range(SAMPLE_PICTURES))


def test_ssim_is_one_for_equals_and_falls_with_damage() -> None:
    rng = np.random.default_rng(7)
    first = rng.integers(0, 255, (64, 96), dtype=np.uint8)
    slightly = np.clip(first.astype(int) + rng.integers(-6, 7, first.shape), 0, 255).astype(np.uint8)
    badly = np.clip(first.astype(int) + rng.integers(-90, 91, first.shape), 0, 255).astype(np.uint8)
    assert ssim(first, first) == pytest.approx(1.0)
    assert 0.98 < ssim(first, slightly) < 1
    assert ssim(first, badly) < ssim(first, slightly)
    with pytest.raises(ValueError, match="Cannot compare"):
        ssim(first, first[:32])


def test_the_luma_of_a_picture_has_no_padding() -> None:
    pixels = np.arange(50 * 34, dtype=np.uint32).reshape(34, 50).astype(np.uint8)
    assert (luma(picture(pixels)) == pixels).all()


def test_the_cheapest_that_looks_alike_is_taken() -> None:
    trials = [Trial(20, 900, 0.995), Trial(23, 600, 0.990), Trial(26, 400, 0.986), Trial(29, 250, 0.97)]
    verdict = choose(trials, Trial(None, 2000, 0.999), cap_bps=2000)
    assert (verdict.crf, verdict.bitrate_bps, verdict.saved) == (26, 400, 0.8)


@pytest.mark.parametrize(
    "trials",
    [
        (Trial(20, 9000, 0.97), Trial(23, 5000, 0.95), Trial(26, 3000, 0.93)),
        (Trial(20, 2000, 0.93), Trial(23, 1000, 0.90)),
        (Trial(26, 300, 0.80), Trial(29, 200, 0.70)),
    ],
    ids=["over the cap", "at the cap", "none is good"],
)
def test_a_hard_picture_keeps_its_bit_rate(trials: tuple[Trial, ...]) -> None:
    verdict = choose(trials, Trial(None, 1900, 0.93), cap_bps=2000)
    assert verdict == Verdict(None, 2000, 0.93, 2000, 0.93)
    assert verdict.saved == 0


def test_measuring_saves_on_slides_and_nothing_on_noise() -> None:
    easy, hard = measure(Sample(RUNG, slides(), 30.0)), measure(Sample(RUNG, noise(), 30.0))
    assert easy.saved > 0.8 and easy.ssim > 0.98
    assert hard.crf is None and hard.saved == 0
    assert hard.ssim == hard.reference_ssim


def test_a_probe_tells_its_verdicts_and_takes_none_after_its_end() -> None:
    told: queue.Queue[tuple[int, Mapping[str, Verdict]]] = queue.Queue()
    probe = QualityProbe(lambda slot, verdicts: told.put((slot, verdicts)))
    try:
        assert probe.offer(7, [Sample(RUNG, slides(), 30.0)])
        slot, verdicts = told.get(timeout=30)
        assert slot == 7 and verdicts["180p"].reference_bps == RUNG.bitrate_bps
    finally:
        probe.close(10)
    assert not probe.offer(8, [Sample(RUNG, slides(), 30.0)])


def test_a_small_rendition_is_measured_in_the_place_of_the_large_one() -> None:
    large = Sample(RUNG, slides(), 30.0, times_us=tuple(range(SAMPLE_PICTURES)))
    box = Rendition("90p", 160, 90, 200_000)
    halved = tuple(picture.reformat(160, 90, "yuv420p") for picture in slides())
    small = Sample(box, halved, 30.0, times_us=large.times_us)
    verdicts = measure_ladder([large, small])
    assert verdicts["180p"].enlarged_ssim is None
    enlarged = verdicts["90p"].enlarged_ssim
    assert enlarged is not None and 0.5 < enlarged < verdicts["180p"].ssim
    others = measure_ladder([large, replace(small, times_us=tuple(range(1, SAMPLE_PICTURES + 1)))])
    assert others["90p"].enlarged_ssim is None, "of other pictures"


def test_a_new_quality_holds_from_the_next_slot_on() -> None:
    encoder = RenditionEncoder(RUNG)
    noisy = noise()
    sizes: dict[int, int] = {}
    units: list[Encoded] = []
    for index in range(180):
        frame = noisy[index % len(noisy)]
        frame.pts = samples.START_US + index * 33_333
        if index == 75:
            encoder.crf = 40
        for unit in encoder.encode(frame):
            units.append(unit)
            sizes[slot_of(unit.pts_us)] = sizes.get(slot_of(unit.pts_us), 0) + len(unit.payload)
    first, second, third = (sizes[slot] for slot in sorted(sizes)[:3])
    assert first == pytest.approx(second, rel=0.3), "the slot that has begun keeps its quality"
    assert third < second
    assert [u.pts_us for u in units if u.keyframe] == [
        next(u.pts_us for u in units if slot_of(u.pts_us) == slot) for slot in sorted(sizes)
    ]
    assert all(a.group <= b.group for a, b in pairwise(units))


def test_what_constant_quality_does_not_save_on_is_planned_and_looks_better() -> None:
    """Confetti: cells of a game of life, which no two pictures share."""
    rng = np.random.default_rng(5)
    shown = [
        picture((rng.random((45, 80)) < 0.3).repeat(4, 0).repeat(4, 1).astype(np.uint8) * 160 + 40) for _ in range(120)
    ]
    originals = [luma(frame) for frame in shown]

    def encoded(crf: int | None) -> tuple[int, float]:
        encoder = RenditionEncoder(RUNG)
        encoder.crf = crf
        units: list[Encoded] = []
        for index, frame in enumerate(shown):
            frame.pts = samples.START_US + index * 33_333
            units += encoder.encode(frame)
        pictures = samples.decode_video([(unit.pts_us, unit.payload) for unit in units])
        similar = [ssim(original, luma(made)) for original, made in zip(originals, pictures, strict=True)]
        return sum(len(unit.payload) for unit in units), sum(similar) / len(similar)

    planned_bytes, planned = encoded(None)
    capped_bytes, capped = encoded(32)
    assert planned_bytes <= capped_bytes * 1.02
    assert planned > capped


def test_an_engine_adapts_to_an_easy_show() -> None:
    out: list[Output] = []
    engine = Engine([RUNG], out.append, live=False, adaptive_quality=True)
    for unit in samples.video(8, level=lambda _picture, x: 40 if x < 320 else 200):
        engine.video(unit)
    engine.close(drain=True)
    assert (engine.quality["180p"].crf or 0) > CRF_DEFAULT
    assert engine.quality["180p"].saved > 0.5


def test_a_key_can_be_asked_for_between_slots() -> None:
    encoder = RenditionEncoder(RUNG)
    keys: list[tuple[int, int]] = []
    for index, frame in enumerate(slides() + slides() + slides()):
        frame.pts = samples.START_US + index * 33_333
        if index == 30:
            encoder.ask_key()
        keys += [(index, unit.group) for unit in encoder.encode(frame) if unit.keyframe]
    assert keys == [(0, samples.START_US // 250_000), (30, samples.START_US // 250_000 + 3)]
