"""The engine's small parts: groups, boxes, flow, the codec string."""

from __future__ import annotations

import threading

import pytest

from skyriver.fabric import SLOT_US, TICK_US, group_of, slot_of
from skyriver.services.live.media.avc import avc3_codec, plays_in_browsers
from skyriver.services.live.media.flow import Flow
from skyriver.services.live.media.groups import AudioCutter, GroupCutter
from skyriver.services.live.media.live_edge import MAX_SKIPPED, LiveEdge
from skyriver.services.live.media.mailbox import Mailbox, MailboxClosed

SLOT = 850_000_000
START_US = SLOT * SLOT_US
FIRST = group_of(START_US)
PER_SLOT = SLOT_US // TICK_US


def cut(keyframes_s: list[float]) -> list[int | None]:
    cutter = GroupCutter()
    return [cutter.cut(START_US + round(s * 1e6), keyframe=True) for s in keyframes_s]


def test_gops_of_two_seconds_are_groups_whatever_their_phase() -> None:
    assert cut([0.7, 2.7, 4.7]) == [FIRST + 2, FIRST + 2 + PER_SLOT, FIRST + 2 + 2 * PER_SLOT]


def test_short_gops_have_groups_of_their_own_and_very_short_ones_share_a_tick() -> None:
    assert cut([0, 0.5, 1, 1.5]) == [FIRST, FIRST + 2, FIRST + 4, FIRST + 6]
    assert cut([0, 0.1, 0.2, 0.3]) == [FIRST, FIRST, FIRST, FIRST + 1]


def test_long_gops_leave_numbers_out() -> None:
    assert cut([0, 10, 20]) == [FIRST, FIRST + 5 * PER_SLOT, FIRST + 10 * PER_SLOT]


def test_frames_before_the_first_keyframe_belong_nowhere() -> None:
    cutter = GroupCutter()
    assert cutter.cut(START_US, keyframe=False) is None
    cutter.cut(START_US + 100_000, keyframe=True)
    assert cutter.cut(START_US + 3_000_000, keyframe=False) == FIRST


def test_leading_pictures_of_a_keyframe_do_not_open_an_older_group() -> None:
    cutter = GroupCutter()
    cutter.cut(START_US + 2_000_000, keyframe=True)
    assert cutter.cut(START_US + 1_966_666, keyframe=False) == FIRST + PER_SLOT


def test_audio_groups_begin_with_their_slot_and_never_go_back() -> None:
    cutter = AudioCutter()
    times_us = [START_US, START_US + 1_999_999, START_US + 2_000_000, START_US + 1_999_000]
    assert [cutter.cut(us) for us in times_us] == [
        (FIRST, True),
        (FIRST, False),
        (FIRST + PER_SLOT, True),
        (FIRST + PER_SLOT, False),
    ]
    assert slot_of(START_US - 1) == SLOT - 1
    assert AudioCutter().cut(START_US + 700_000) == (FIRST + 2, True), "one that joins in the middle says when"


def test_a_full_box_refuses_an_offer() -> None:
    box: Mailbox[int] = Mailbox(2)
    assert [box.offer(n) for n in range(3)] == [True, True, False]
    assert [box.take(), box.take()] == [0, 1]


def test_a_push_drops_the_oldest() -> None:
    box: Mailbox[int] = Mailbox(2)
    assert [box.push(n) for n in range(4)] == [0, 0, 1, 1]
    assert [box.take(), box.take()] == [2, 3]


def test_waiting_to_put_ends_when_there_is_room_or_the_box_closes() -> None:
    box: Mailbox[int] = Mailbox(1)
    box.offer(1)
    results: list[bool] = []
    putter = threading.Thread(target=lambda: results.append(box.wait(2)))
    putter.start()
    assert box.take() == 1
    assert box.take() == 2
    putter.join()
    box.offer(3)
    putter = threading.Thread(target=lambda: results.append(box.wait(4)))
    putter.start()
    box.close()
    putter.join()
    assert results == [True, False]


def test_waiting_to_put_gives_up_on_a_taker_that_has_died() -> None:
    box: Mailbox[int] = Mailbox(1)
    box.offer(1)
    assert not box.wait(2, timeout_s=0)


def test_a_closed_box_is_emptied_first_if_it_drains() -> None:
    drained: Mailbox[int] = Mailbox(2)
    drained.offer(1)
    drained.close(drain=True)
    assert drained.take() == 1
    with pytest.raises(MailboxClosed):
        drained.take()
    dropped: Mailbox[int] = Mailbox(2)
    dropped.offer(1)
    dropped.close()
    with pytest.raises(MailboxClosed):
        dropped.take()
    assert not dropped.offer(2)
    assert dropped.push(2) == 1


def test_closing_wakes_a_waiting_taker() -> None:
    box: Mailbox[int] = Mailbox(1)
    ended = threading.Event()

    def take() -> None:
        try:
            box.take()
        except MailboxClosed:
            ended.set()

    taker = threading.Thread(target=take)
    taker.start()
    box.close()
    taker.join()
    assert ended.is_set()


def test_flow_counts_one_interval_at_a_time() -> None:
    now_s = 100.0
    flow = Flow(monotonic=lambda: now_s)
    for delay_ms in (5, 7, 30):
        flow.add(1000, delay_ms * 1000)
    now_s = 102.0
    rate = flow.take()
    assert (rate.fps, rate.bitrate_bps, rate.delay_ms, rate.delay_max_ms) == (1.5, 12_000, 7.0, 30.0)
    now_s = 103.0
    assert flow.take().fps == 0


@pytest.mark.parametrize(
    ("unit", "codec"),
    [
        (b"\0\0\0\1\x67\x64\x00\x1e\xac" + b"\0\0\0\1\x68\xee", "avc3.64001e"),
        (b"\0\0\0\1\x09\xf0\0\0\1\x67\x42\xc0\x1f\xaa", "avc3.42c01f"),
        (b"\0\0\0\1\x41\x9a", None),
        (b"\0\0\1\x67\x64", None),
        (b"", None),
    ],
)
def test_the_codec_is_read_from_the_first_parameter_set(unit: bytes, codec: str | None) -> None:
    assert avc3_codec(unit) == codec


def edge_after(gaps_ms: list[float], *, age_us: int = 60_000_000) -> int | None:
    """At which unit of a 30 fps stream the live edge is reached, when units arrive with these gaps."""
    edge, now_us = LiveEdge(), 0
    for index, gap_ms in enumerate(gaps_ms):
        now_us += round(gap_ms * 1000)
        if edge.arrive(START_US + index * 33_333, now_us, age_us):
            return index
    return None


def test_a_burst_is_not_the_present() -> None:
    assert edge_after([0.2] * 100) is None


def test_a_hiccup_in_a_burst_is_not_the_present() -> None:
    assert edge_after([0.2] * 20 + [40] + [0.2] * 20) is None


def test_two_gaps_of_a_frame_are_the_present() -> None:
    assert edge_after([0.2] * 20 + [33] * 5) == 21


def test_one_gap_is_enough_where_the_clocks_agree() -> None:
    assert edge_after([0.2] * 20 + [33] * 5, age_us=50_000) == 20


def test_a_start_without_any_past_begins_at_once() -> None:
    assert edge_after([0, 33, 33], age_us=20_000) == 1


def test_somewhere_it_has_to_begin() -> None:
    assert edge_after([0.0] * 1000) == MAX_SKIPPED


@pytest.mark.parametrize(
    ("codec", "plays"),
    [
        ("avc3.42c01f", True),
        ("avc3.4d4028", True),
        ("avc3.640028", True),
        ("avc3.6e0028", False),
        ("avc3.7a0028", False),
    ],
    ids=["baseline", "main", "high", "high 10", "high 4:2:2"],
)
def test_only_eight_bit_420_is_passed_on_to_browsers(codec: str, plays: bool) -> None:
    assert plays_in_browsers(codec) is plays
