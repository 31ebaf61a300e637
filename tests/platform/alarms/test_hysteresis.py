"""When conditions become alarms, and when alarms are over; times are passed in."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from skyriver.platform.alarms import Condition, Hysteresis, Severity, Subject

BLACK = Condition(
    "ten_a",
    "black",
    Severity.CRITICAL,
    Subject("channel", "ch_1", "Stage"),
    "The picture is black.",
    "Look at the camera.",
    raise_after_s=5.0,
    clear_after_s=10.0,
)


def test_raised_after_its_time_and_cleared_after_its_time() -> None:
    watch = Hysteresis()
    assert watch.look([BLACK], 100.0) == {}
    assert watch.look([BLACK], 104.9) == {}
    assert watch.look([BLACK], 105.0) == {BLACK.key: BLACK}
    assert watch.look([], 106.0) == {BLACK.key: BLACK}
    assert watch.look([], 115.9) == {BLACK.key: BLACK}
    assert watch.look([], 116.0) == {}


def test_a_break_starts_the_rise_anew_and_a_return_ends_the_fall() -> None:
    watch = Hysteresis()
    watch.look([BLACK], 0.0)
    watch.look([], 4.0)
    watch.look([BLACK], 4.5)
    assert watch.look([BLACK], 9.0) == {}
    assert watch.look([BLACK], 9.5) == {BLACK.key: BLACK}
    watch.look([], 10.0)
    watch.look([BLACK], 19.0)
    watch.look([], 20.0)
    assert watch.look([], 29.0) == {BLACK.key: BLACK}


def test_what_cannot_be_judged_stays_as_it_was() -> None:
    watch = Hysteresis()
    watch.look([BLACK], 0.0)
    raised = watch.look([BLACK], 5.0)
    assert watch.look([], 500.0, unknown=lambda _condition: True) == raised
    watch.look([], 501.0)
    assert watch.look([], 511.0) == {}


def test_an_alarm_of_an_earlier_process_stays_until_it_was_not_seen_for_its_time() -> None:
    watch = Hysteresis()
    watch.restore([BLACK], 50.0)
    assert watch.look([], 59.9) == {BLACK.key: BLACK}
    assert watch.look([BLACK], 59.95) == {BLACK.key: BLACK}
    assert watch.look([], 60.0) == {BLACK.key: BLACK}
    assert watch.look([], 70.0) == {}


def test_the_newest_words_are_told_and_subjects_are_apart() -> None:
    watch = Hysteresis()
    now = replace(BLACK, raise_after_s=0.0)
    other = replace(now, subject=Subject("channel", "ch_2"))
    worse = replace(now, message="Still black.")
    watch.look([now], 0.0)
    assert watch.look([worse, other], 1.0) == {BLACK.key: worse, other.key: other}


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_it_is_raised_exactly_after_an_unbroken_spell(spell: list[bool]) -> None:
    """Against the rule in its plainest words, second by second."""
    watch, raised, run, calm = Hysteresis(), False, 0, 0
    for second, holds in enumerate(spell):
        run, calm = (run + 1, 0) if holds else (0, calm + 1)
        if run > 5:
            raised = True
        if calm > 10:
            raised = False
        assert bool(watch.look([BLACK] if holds else [], float(second))) is raised
