"""The media clock follows the monotonic clock, whatever the wall does."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from skyriver.kernel.clock import MediaClock, utc_now


class Hand:
    """A monotonic clock moved by hand."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def test_utc_now_knows_its_zone() -> None:
    assert utc_now().utcoffset() == timedelta(0)


@given(st.lists(st.floats(min_value=0, max_value=3600), max_size=20))
def test_media_time_starts_at_the_wall_and_never_runs_backwards(steps_s: list[float]) -> None:
    hand = Hand(12345.678)
    clock = MediaClock(wall_us=1_763_888_000_000_000, monotonic=hand)
    seen_us = [clock.now_us()]
    assert seen_us[0] == 1_763_888_000_000_000
    for step_s in steps_s:
        hand.seconds += step_s
        seen_us.append(clock.now_us())
    assert seen_us == sorted(seen_us)
    assert abs(seen_us[-1] - seen_us[0] - sum(steps_s) * 1e6) <= len(steps_s) + 1


def test_a_step_of_the_wall_is_seen_and_not_followed() -> None:
    hand = Hand()
    clock = MediaClock(wall_us=1_000_000_000, monotonic=hand)
    hand.seconds = 5.0
    assert clock.wall_step_us(wall_us=1_005_000_000) == 0
    assert clock.wall_step_us(wall_us=1_005_000_000 - 3_600_000_000) == -3_600_000_000
    assert clock.now_us() == 1_005_000_000


def test_without_arguments_it_reads_the_real_clocks() -> None:
    assert abs(MediaClock().wall_step_us()) < 1_000_000
