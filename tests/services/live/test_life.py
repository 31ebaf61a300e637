"""The life of a channel: what starts it, what holds it, what ends it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from skyriver.services.live.life import PICTURE_LOST_AFTER, Life, hold_of
from skyriver.services.live.model import HOLD, ChannelState, InputName

T0 = datetime(2026, 5, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def live_since_t0() -> Life:
    return Life().on_input_started(T0).on_picture(after(1))


def test_a_channel_starts_and_becomes_live_with_its_first_picture() -> None:
    assert Life().state is ChannelState.OFFLINE
    assert not Life().wants_transcoder
    started = Life().on_input_started(T0)
    assert started.state is ChannelState.STARTING
    assert started.wants_transcoder
    assert started.on_picture(after(1)).state is ChannelState.LIVE


def test_a_republish_within_the_hold_keeps_the_state_and_the_transcoder() -> None:
    held = live_since_t0().on_input_stopped(T0, after(60))
    assert held.state is ChannelState.LIVE
    assert held.wants_transcoder
    assert not held.has_input
    still_held = held.at(after(60 + HOLD.total_seconds() - 0.001))
    assert still_held.state is ChannelState.LIVE
    back = still_held.on_input_started(after(89.9))
    assert back.state is ChannelState.LIVE
    assert back.has_input
    assert back.at(after(94)).state is ChannelState.LIVE


def test_a_hold_that_runs_out_ends_the_show() -> None:
    held = live_since_t0().on_input_stopped(T0, after(60))
    assert held.at(after(60) + HOLD) == Life()


def test_a_start_that_never_showed_a_picture_is_held_too_and_then_ends() -> None:
    held = Life().on_input_started(T0).on_input_stopped(T0, after(2))
    assert held.state is ChannelState.STARTING
    assert held.at(after(2) + HOLD).state is ChannelState.OFFLINE


def test_the_old_publishers_late_stop_does_not_end_the_new_ones_input() -> None:
    taken_over = live_since_t0().on_input_started(after(10))
    assert taken_over.on_input_stopped(T0, after(11)) == taken_over


def test_the_old_publishers_late_start_changes_nothing() -> None:
    taken_over = live_since_t0().on_input_started(after(10))
    assert taken_over.on_input_started(T0) == taken_over


def test_repeated_news_changes_nothing() -> None:
    live = live_since_t0()
    assert live.on_input_started(T0) == live
    held = live.on_input_stopped(T0, after(5))
    assert held.on_input_stopped(T0, after(9)) == held


def test_a_picture_during_the_hold_does_not_prolong_it() -> None:
    held = live_since_t0().on_input_stopped(T0, after(5))
    assert held.on_picture(after(6)) == held


def test_a_picture_lost_for_long_shows_as_starting_and_comes_back() -> None:
    live = live_since_t0()
    assert live.at(after(1) + PICTURE_LOST_AFTER - timedelta(milliseconds=1)).state is ChannelState.LIVE
    lost = live.at(after(1) + PICTURE_LOST_AFTER)
    assert lost.state is ChannelState.STARTING
    assert lost.wants_transcoder
    assert lost.on_picture(after(8)).state is ChannelState.LIVE


def test_a_wall_clock_set_back_cannot_hold_a_channel_for_ever() -> None:
    held = live_since_t0().on_input_stopped(T0, after(3600))
    set_back = held.at(after(10))
    assert set_back.at(after(10) + HOLD).state is ChannelState.OFFLINE
    picture = Life().on_input_started(T0).on_picture(after(3600)).at(after(10))
    assert picture.at(after(10) + PICTURE_LOST_AFTER).state is ChannelState.STARTING


def test_a_channel_goes_on_with_either_input_and_is_held_from_the_end_of_the_last() -> None:
    both = live_since_t0().on_input_started(after(5), InputName.BACKUP)
    on_backup = both.on_input_stopped(T0, after(60))
    assert on_backup.has_input and on_backup.ended_at is None
    assert not on_backup.present(InputName.MAIN)
    assert on_backup.at(after(600)).wants_transcoder
    held = on_backup.on_input_stopped(after(5), after(700), InputName.BACKUP)
    assert held.ended_at == after(700)
    assert held.at(after(700) + HOLD) == Life()


def test_the_names_of_one_input_say_nothing_about_the_other() -> None:
    both = live_since_t0().on_input_started(after(5), InputName.BACKUP)
    assert both.on_input_stopped(T0, after(6), InputName.BACKUP) == both, "older than the backup's publisher"
    assert both.on_input_stopped(after(5), after(6), InputName.BACKUP).has_input


def test_a_slate_holds_a_channel_for_as_long_as_it_is_shown() -> None:
    assert hold_of(0) == HOLD
    held = replace(live_since_t0().on_input_stopped(T0, after(60)), hold=hold_of(5))
    assert held.at(after(60 + 299)).state is ChannelState.LIVE
    assert held.at(after(60 + 300)).state is ChannelState.OFFLINE


@pytest.mark.parametrize("seed", range(20))
def test_any_sequence_of_news_keeps_the_rules(seed: int) -> None:
    dice = random.Random(seed)
    life, now, since = Life(), T0, dict.fromkeys(InputName, T0)
    for _ in range(300):
        now += timedelta(seconds=dice.choice([0, 0.2, 1, 4, 20, 40]))
        before, name = life, dice.choice(list(InputName))
        match dice.randrange(4):
            case 0:
                since[name] = now
                life = life.on_input_started(now, name)
            case 1:
                life = life.on_input_stopped(dice.choice([since[name], T0]), now, name)
            case 2:
                life = life.on_picture(now)
            case _:
                life = life.at(now)
        assert (life.state is ChannelState.OFFLINE) == (not life.inputs), f"seed {seed}"
        assert not (life.ended_at is not None and not life.inputs), f"seed {seed}"
        if before.state is ChannelState.OFFLINE:
            assert life.state is not ChannelState.LIVE, f"live without starting, seed {seed}"
        if before.has_input:
            assert life.state is not ChannelState.OFFLINE, f"ended with input, seed {seed}"
