"""The lines of time: a source that loops and jumps, and decode times made of presentation times."""

from __future__ import annotations

from itertools import pairwise

from skyriver.services.live.relaying.flv import AUDIO_TAG, VIDEO_TAG, DecodeTimes, Tag
from skyriver.services.live.relaying.outbox import WAITING_BYTES_MAX, Outbox
from skyriver.services.live.relaying.source_clock import SourceClock

FRAME_US = 40_000


def test_a_source_begins_at_zero_and_a_loop_goes_on_at_its_end() -> None:
    clock = SourceClock()
    line = []
    for _ in range(3):
        line += [clock.place(5_000_000 + n * FRAME_US, FRAME_US) for n in range(25)]
        clock.begin_again()
    assert line == [n * FRAME_US for n in range(75)]


def test_a_jump_goes_on_a_frame_later_and_a_pause_stays_a_pause() -> None:
    clock = SourceClock()
    clock.place(0)
    assert clock.place(3_000_000) == 3_000_000, "a pause of 3 s"
    assert 3_000_000 < clock.place(90_000_000_000) < 3_100_000, "its clock was set anew"
    assert 3_000_000 < clock.place(1_000) < 3_200_000, "and back"


def test_sound_and_picture_stay_together() -> None:
    clock = SourceClock()
    assert clock.place(10_000_000) == 0
    assert clock.place(9_980_000) == 0, "never before the beginning"
    assert clock.place(10_021_000) == 21_000


def test_decode_times_grow_and_never_pass_presentation() -> None:
    """I P B B, reordered by one: the way every encoder sends B-frames."""
    shown = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11]
    times = DecodeTimes()
    times.reorder = 2
    decoded = [times.take(n * FRAME_US) for n in shown]
    assert all(b > a for a, b in pairwise(decoded))
    assert all(dts <= n * FRAME_US for dts, n in zip(decoded, shown, strict=True))
    assert decoded[3:] == [n * FRAME_US for n in range(1, 11)]


def test_without_b_frames_decoding_is_presentation() -> None:
    times = DecodeTimes()
    assert [times.take(n * FRAME_US) for n in range(5)] == [n * FRAME_US for n in range(5)]


def picture(at: int, *, key: bool = False, size_bytes: int = 100) -> Tag:
    return Tag(VIDEO_TAG, bytes(size_bytes), at * FRAME_US, keyframe=key)


async def test_an_outbox_begins_at_a_keyframe_with_the_headers() -> None:
    box = Outbox()
    header = Tag(VIDEO_TAG, b"header", 0, header=True)
    for tag in (header, picture(1), Tag(AUDIO_TAG, b"early", FRAME_US), picture(2, key=True), picture(3)):
        box.put(tag)
    taken = [await box.take() for _ in range(3)]
    assert [tag.body for tag in taken] == [b"header", bytes(100), bytes(100)]
    assert [tag.dts_us // FRAME_US for tag in taken] == [2, 2, 3]


async def test_a_far_side_that_is_too_slow_gets_whole_groups_or_none() -> None:
    box = Outbox()
    box.put(Tag(VIDEO_TAG, b"header", 0, header=True))
    box.put(picture(1, key=True))
    for n in range(2, 12):
        box.put(picture(n, size_bytes=WAITING_BYTES_MAX // 9))
    assert box.counters.overflows == 1
    box.put(picture(12))
    box.put(picture(13, key=True))
    assert [(await box.take()).body for _ in range(2)] == [b"header", bytes(100)]
    assert box.counters.tags_dropped >= 10


async def test_media_that_wait_for_too_long_are_dropped() -> None:
    box = Outbox()
    box.put(picture(0, key=True))
    for n in range(1, 130):
        box.put(picture(n))
    assert box.counters.overflows == 1


async def test_sound_and_picture_leave_in_order_of_time() -> None:
    box = Outbox()
    for n in range(4):
        box.put(picture(n, key=n == 0))
    for n in range(4):
        box.put(Tag(AUDIO_TAG, b"sound", n * FRAME_US + 1))
    taken = [await box.take() for _ in range(7)]
    assert [tag.dts_us for tag in taken] == sorted(tag.dts_us for tag in taken)
