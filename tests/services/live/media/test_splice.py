"""Going on with a standby's pictures in the middle of a group: decodable, and as good as either encoder's own."""

from __future__ import annotations

import numpy as np
import pytest
from av.video.frame import VideoFrame

from skyriver.fabric import SLOT_US
from skyriver.services.live.media.quality.choice import CRF_CANDIDATES, CRF_DEFAULT
from skyriver.services.live.media.quality.ssim import luma, ssim
from skyriver.services.live.media.rendition import RenditionEncoder
from skyriver.services.live.media.units import MICROSECONDS, Encoded
from skyriver.services.live.model import Rendition
from tests.services.live.media import samples

RUNG = Rendition("180p", 320, 180, 400_000)
FPS = 30
PICTURES = 4 * 2 * FPS  # four slots
SPLICE_AT = 2 * 2 * FPS + 25  # in the middle of the third


def scene() -> list[VideoFrame]:
    """A textured picture that pans, with a little noise: it has motion, detail and residue."""
    rng = np.random.default_rng(11)
    texture = rng.integers(60, 200, (180, 1400), dtype=np.uint8)
    texture = np.minimum(texture, np.roll(texture, 1, axis=1))
    pictures = []
    for index in range(PICTURES):
        window = texture[:, index * 3 : index * 3 + 320].astype(int) + rng.integers(-3, 4, (180, 320))
        pixels = np.vstack([np.clip(window, 0, 255).astype(np.uint8), np.full((90, 320), 128, np.uint8)])
        frame = VideoFrame.from_ndarray(pixels, format="yuv420p")
        frame.pts, frame.time_base = samples.START_US + index * SLOT_US // (2 * FPS), MICROSECONDS
        pictures.append(frame)
    return pictures


def encode(pictures: list[VideoFrame], crf: int | None = CRF_DEFAULT) -> dict[int, Encoded]:
    encoder = RenditionEncoder(RUNG)
    encoder.crf = crf
    return {unit.pts_us: unit for picture in pictures for unit in encoder.encode(picture)}


def decoded(units: list[Encoded]) -> dict[int, VideoFrame]:
    pictures = samples.decode_video([(unit.pts_us, unit.payload) for unit in units])
    return {picture.pts or 0: picture for picture in pictures}


def test_a_splice_in_a_group_is_seen_less_than_the_encoding_itself() -> None:
    originals = {picture.pts or 0: luma(picture) for picture in scene()}
    times_us = sorted(originals)
    first = encode(scene())
    second = encode(scene()[SPLICE_AT - 55 :])  # a standby with another history: it began in the slot before
    splice_us = times_us[SPLICE_AT]
    spliced = [first[at] for at in times_us if at < splice_us] + [second[at] for at in times_us if at >= splice_us]
    begun = {unit.group for unit in spliced[SPLICE_AT - 25 :][:60]}
    assert {first[splice_us].group, second[splice_us].group} <= begun
    assert first[splice_us].group == second[splice_us].group, "the same group, whoever made it"
    assert first[splice_us].payload != second[splice_us].payload, "two encoders, two histories"
    pictures = decoded(spliced)
    assert len(pictures) == PICTURES, "every picture can be decoded"
    own = decoded([first[at] for at in times_us])

    def quality(of: dict[int, VideoFrame], from_index: int, to_index: int) -> float:
        chosen = times_us[from_index:to_index]
        return sum(ssim(originals[at], luma(of[at])) for at in chosen) / len(chosen)

    rest_of_group = SPLICE_AT, 3 * 2 * FPS
    assert quality(pictures, *rest_of_group) > quality(own, *rest_of_group) - 0.02
    assert quality(pictures, 3 * 2 * FPS, PICTURES) > quality(own, 3 * 2 * FPS, PICTURES) - 0.005, "and then no trace"


BEST, LEAST = CRF_CANDIDATES[0], CRF_CANDIDATES[-1]


@pytest.mark.parametrize("qualities", [(BEST, LEAST), (LEAST, BEST), (None, LEAST), (LEAST, None)])
def test_a_splice_between_two_qualities_is_decodable_and_as_good_as_the_lower_one(
    qualities: tuple[int | None, int | None],
) -> None:
    """A standby that has not measured what the first one has: the widest that two can be apart, for a group's rest."""
    originals = {picture.pts or 0: luma(picture) for picture in scene()}
    times_us = sorted(originals)
    splice_us = times_us[SPLICE_AT]
    first, second = (encode(scene(), crf) for crf in qualities)
    spliced = [first[at] for at in times_us if at < splice_us] + [second[at] for at in times_us if at >= splice_us]
    pictures = decoded(spliced)
    assert len(pictures) == PICTURES, "every picture can be decoded"
    rest = times_us[SPLICE_AT : 3 * 2 * FPS]

    def quality(of: dict[int, VideoFrame]) -> float:
        return sum(ssim(originals[at], luma(of[at])) for at in rest) / len(rest)

    own = [quality(decoded([made[at] for at in times_us])) for made in (first, second)]
    assert quality(pictures) > min(own) - 0.03
