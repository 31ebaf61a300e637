"""Which renditions a show needs: chosen from samples by media time alone, and changed without cutting any track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from skyriver.fabric import SLOT_US, TICK_US, slot_of
from skyriver.services.live.media.counters import Counters
from skyriver.services.live.media.handover import WAITING_MAX, Handover
from skyriver.services.live.media.ladder import Ladder
from skyriver.services.live.media.quality import LadderChooser, Rung, Sample, Verdict, choose_ladder
from skyriver.services.live.media.quality.chooser import CHOICE_EVERY_SLOTS, SAMPLE_EVERY_SLOTS
from skyriver.services.live.media.quality.probe import measure_ladder
from skyriver.services.live.media.units import MICROSECONDS, Encoded, Output, TrackCarried, VideoTrack
from skyriver.services.live.model import Rendition

LARGE, SMALL = Rendition("480p", 854, 480, 1_400_000), Rendition("270p", 480, 270, 500_000)
EPOCH = 9_444_444
FIRST_SLOT = EPOCH * CHOICE_EVERY_SLOTS


def verdict(bitrate_bps: int, ssim: float = 0.99, *, enlarged: float | None = None) -> Verdict:
    return Verdict(26, bitrate_bps, ssim, 1_000_000, 0.995, enlarged)


def sample(large_bps: int, small_bps: int, *, enlarged: float = 0.95) -> dict[str, Verdict]:
    return {"480p": verdict(large_bps), "270p": verdict(small_bps, enlarged=enlarged)}


EASY = sample(40_000, 25_000)
HARD = sample(1_400_000, 500_000)


def test_an_easy_show_has_its_small_rendition_carried_by_the_large_one() -> None:
    large, small = choose_ladder((LARGE, SMALL), [EASY] * 3)
    assert large == Rung("480p", 350_000, None, 40_000)
    assert (small.name, small.carried_by, small.cap_bps) == ("270p", "480p", 350_000)
    assert small.ssim == pytest.approx(0.99)
    assert small.enlarged_ssim == pytest.approx(0.95)


def test_a_hard_show_keeps_the_whole_ladder() -> None:
    rungs = choose_ladder((LARGE, SMALL), [HARD] * 3)
    assert [(rung.cap_bps, rung.carried_by) for rung in rungs] == [(1_400_000, None), (500_000, None)]


def test_one_hard_sample_is_enough_to_keep_it() -> None:
    rungs = choose_ladder((LARGE, SMALL), [EASY, EASY, sample(300_000, 120_000)])
    assert [rung.carried_by for rung in rungs] == [None, None]
    assert rungs[0].cap_bps == 700_000, "twice what the hardest sample needs"


def test_what_slots_took_counts_as_much_as_samples() -> None:
    large, small = choose_ladder((LARGE, SMALL), [EASY] * 3, {"480p": 420_000})
    assert large.cap_bps == 994_000
    assert small.carried_by is None, "480p may then take more than 270p ever may"


def test_a_picture_that_does_not_look_better_carries_nothing() -> None:
    rungs = choose_ladder((LARGE, SMALL), [sample(40_000, 25_000, enlarged=0.995)] * 3)
    assert rungs[1].carried_by is None


def test_all_of_an_easy_ladder_is_carried_by_its_top() -> None:
    middle = Rendition("360p", 640, 360, 800_000)
    measured = {**EASY, "360p": verdict(30_000, enlarged=0.96)}
    rungs = choose_ladder((LARGE, middle, SMALL), [measured] * 3)
    assert [rung.carried_by for rung in rungs] == [None, "480p", "480p"]


def test_what_is_sent_in_the_end_costs_nearly_the_same() -> None:
    """Each is near the next one, and the largest is not near the smallest."""
    middle = Rendition("360p", 640, 360, 800_000)
    measured = {
        "480p": verdict(340_000),
        "360p": verdict(280_000, enlarged=0.96),
        "270p": verdict(230_000, enlarged=0.95),
    }
    rungs = choose_ladder((LARGE, middle, replace(SMALL, bitrate_bps=1_400_000)), [measured] * 3)
    assert [rung.carried_by for rung in rungs] == [None, "480p", None]


def chooser(*slots: int, measured: dict[str, Verdict] = EASY, fixed: bool = False) -> LadderChooser:
    made = LadderChooser(fixed=fixed)
    made.begin((LARGE, SMALL))
    for slot in slots:
        made.measured(slot, measured)
    return made


SAMPLED = range(FIRST_SLOT, FIRST_SLOT + CHOICE_EVERY_SLOTS, SAMPLE_EVERY_SLOTS)
NEXT = FIRST_SLOT + CHOICE_EVERY_SLOTS


def test_a_choice_begins_with_an_epoch_and_needs_the_whole_one_before() -> None:
    whole = chooser(*SAMPLED)
    assert not whole.ladder(NEXT - 1).adapted
    assert whole.ladder(NEXT).adapted
    late = chooser(*SAMPLED[1:])
    assert not late.ladder(NEXT).adapted


def test_twins_choose_the_same_whenever_they_began_and_asked() -> None:
    first = chooser(FIRST_SLOT - SAMPLE_EVERY_SLOTS, *SAMPLED)
    assert not first.ladder(FIRST_SLOT + 3).adapted
    second = chooser(FIRST_SLOT - 7, *SAMPLED)  # it began in the middle of the epoch before
    assert first.ladder(NEXT + 20) == second.ladder(NEXT)


def test_twins_choose_the_same_whichever_of_their_encoders_is_ahead() -> None:
    """What the last slot took is known to the one whose encoders end it together, and not to the other."""
    together, apart = chooser(*SAMPLED), chooser(*SAMPLED)
    together.spent("480p", NEXT - 1, 420_000)
    apart.ladder(NEXT)
    apart.spent("480p", NEXT - 1, 420_000)
    assert together.ladder(NEXT) == apart.ladder(NEXT)
    assert together.ladder(NEXT - 1) == apart.ladder(NEXT - 1)


def test_without_a_source_there_is_nothing_to_choose() -> None:
    chosen, measured = LadderChooser().now()
    assert (chosen.rungs, chosen.adapted, measured) == ((), False, {})


def test_a_pinned_ladder_stays_as_it_is_and_quality_adapts() -> None:
    pinned = chooser(*SAMPLED, fixed=True)
    assert not pinned.ladder(NEXT).adapted
    assert pinned.crf("480p", NEXT) == 26


def test_running_into_a_lowered_cap_ends_the_choice_for_all_from_one_slot_on() -> None:
    pressed = chooser(*SAMPLED)
    assert pressed.ladder(NEXT + 4).adapted  # one encoder has gone ahead
    pressed.spent("480p", NEXT + 2, 340_000)
    assert [pressed.ladder(NEXT + at).withdrawn for at in (3, 4, 5, 6)] == [False, False, True, True]
    assert pressed.ladder(NEXT + 5).rungs[1] == Rung("270p", 500_000)


def test_what_the_profile_allows_anyway_ends_nothing() -> None:
    content = chooser(*SAMPLED)
    content.ladder(NEXT)
    content.spent("480p", NEXT, 200_000)
    assert not content.ladder(NEXT + 1).withdrawn


def unit(slot: int, tick: int = 0) -> Encoded:
    return Encoded("270p", b"", slot * SLOT_US + tick * TICK_US, not tick, slot * 8 + tick)


def test_whoever_is_early_waits_for_the_one_before() -> None:
    out: list[Output] = []
    handover = Handover(out.append)
    handover.take_over("270p", 101)
    for early in (unit(101), unit(101, 1)):
        handover.put(early)
    handover.put(unit(100, 7))
    assert out == [unit(100, 7)]
    handover.hand_over("270p", 101)
    handover.put(unit(101, 2))
    assert out == [unit(100, 7), unit(101), unit(101, 1), unit(101, 2)]


@pytest.mark.parametrize("taken_first", [True, False])
def test_nobody_waits_for_one_that_handed_over_a_slot_before(taken_first: bool) -> None:
    """Who takes over had no picture of the slot in which the ladder changed: it was behind."""
    out: list[Output] = []
    handover = Handover(out.append)
    if taken_first:
        handover.take_over("270p", 102)
        handover.hand_over("270p", 101)
    else:
        handover.hand_over("270p", 101)
        handover.take_over("270p", 102)
    handover.put(unit(102))
    assert out == [unit(102)]


def test_nobody_waits_for_one_that_has_died() -> None:
    out: list[Output] = []
    handover = Handover(out.append)
    handover.take_over("270p", 101)
    for _ in range(WAITING_MAX + 1):
        handover.put(unit(101))
    assert len(out) == WAITING_MAX + 1


FPS = 4
TOP, LOW = Rendition("90p", 160, 90, 300_000), Rendition("44p", 80, 44, 250_000)


def pictures(slots: range, *, hard_from: int) -> list[VideoFrame]:
    """A still until `hard_from`, then noise."""
    rng = np.random.default_rng(3)
    still = np.full((270, 320), 128, np.uint8)
    still[20:60, 40:200] = 40
    made = []
    for slot in slots:
        for index in range(FPS * 2):
            pixels = rng.integers(0, 255, still.shape, dtype=np.uint8) if slot >= hard_from else still
            frame = VideoFrame.from_ndarray(pixels, format="yuv420p")
            frame.pts, frame.time_base = slot * SLOT_US + index * 1_000_000 // FPS, MICROSECONDS
            made.append(frame)
    return made


def test_tracks_go_on_while_the_ladder_changes() -> None:
    """An epoch is measured, in the next one the small rendition is carried; then the show turns hard."""
    hard_from = NEXT + 5
    out: list[Output] = []
    chosen = LadderChooser()

    def measure(slot: int, taken: Sequence[Sample]) -> None:
        chosen.measured(slot, measure_ladder(taken))

    ladder = Ladder((TOP, LOW), out.append, Counters(), fps=FPS, live=False, measure=measure, chooser=chosen)
    show = pictures(range(FIRST_SLOT, NEXT + 12), hard_from=hard_from)
    for picture in show:
        ladder.put(picture)
    ladder.close(drain=True)

    carried = [output for output in out if isinstance(output, TrackCarried)]
    assert carried == [TrackCarried("44p")]
    told = [(o.bitrate_bps, o.height) for o in out if isinstance(o, VideoTrack) and o.track == "44p"]
    assert told == [(250_000, 44), (250_000, 44)], "described at first, and again when it is back"
    caps = [output.bitrate_bps for output in out if isinstance(output, VideoTrack) and output.track == "90p"]
    assert caps == [300_000, 75_000, 300_000]
    for track in ("90p", "44p"):
        units = [output for output in out if isinstance(output, Encoded) and output.track == track]
        assert [u.pts_us for u in units] == [p.pts for p in show], "every picture once, in order"
        assert all(a.group <= b.group for a, b in pairwise(units))
        heights = {}
        for group, members in groupby(units, key=lambda u: u.group):
            listed = list(members)
            assert listed[0].keyframe
            heights[slot_of(group * TICK_US)] = decoded_heights([u.payload for u in listed])
        if track == "44p":
            carried_slots = sorted(slot for slot, found in heights.items() if found == {90})
            assert carried_slots[0] == NEXT
            assert hard_from < carried_slots[-1] + 1 <= hard_from + 8, "back soon after the show turned hard"
            assert all(len(found) == 1 for found in heights.values()), "a group is of one size"


def decoded_heights(payloads: list[bytes]) -> set[int]:
    decoder = av.CodecContext.create("h264", "r")
    frames = [frame for payload in payloads for frame in decoder.decode(av.Packet(payload))]
    return {frame.height for frame in frames + decoder.decode(None)}
