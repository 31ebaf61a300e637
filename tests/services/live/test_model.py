"""The pure part of live channels: their life, their ladders, their names."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter

from skyriver.platform.web.fields import Slug
from skyriver.services.live.model import (
    HOLD,
    PICTURE_LOST_AFTER,
    PROFILES,
    ChannelState,
    Life,
    ProfileName,
    Rendition,
    channel_of,
    fit_ladder,
    home_of,
    slug_from,
    space_of,
)

T0 = datetime(2026, 5, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def live_since_t0() -> Life:
    return Life().on_input_started(T0).on_picture(after(1))


class TestLife:
    def test_a_channel_starts_and_becomes_live_with_its_first_picture(self) -> None:
        assert Life().state is ChannelState.OFFLINE
        assert not Life().wants_transcoder
        started = Life().on_input_started(T0)
        assert started.state is ChannelState.STARTING
        assert started.wants_transcoder
        assert started.on_picture(after(1)).state is ChannelState.LIVE

    def test_a_republish_within_the_hold_keeps_the_state_and_the_transcoder(self) -> None:
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

    def test_a_hold_that_runs_out_ends_the_show(self) -> None:
        held = live_since_t0().on_input_stopped(T0, after(60))
        assert held.at(after(60) + HOLD) == Life()

    def test_a_start_that_never_showed_a_picture_is_held_too_and_then_ends(self) -> None:
        held = Life().on_input_started(T0).on_input_stopped(T0, after(2))
        assert held.state is ChannelState.STARTING
        assert held.at(after(2) + HOLD).state is ChannelState.OFFLINE

    def test_the_old_publishers_late_stop_does_not_end_the_new_ones_input(self) -> None:
        taken_over = live_since_t0().on_input_started(after(10))
        assert taken_over.on_input_stopped(T0, after(11)) == taken_over

    def test_the_old_publishers_late_start_changes_nothing(self) -> None:
        taken_over = live_since_t0().on_input_started(after(10))
        assert taken_over.on_input_started(T0) == taken_over

    def test_repeated_news_changes_nothing(self) -> None:
        live = live_since_t0()
        assert live.on_input_started(T0) == live
        held = live.on_input_stopped(T0, after(5))
        assert held.on_input_stopped(T0, after(9)) == held

    def test_a_picture_during_the_hold_does_not_prolong_it(self) -> None:
        held = live_since_t0().on_input_stopped(T0, after(5))
        assert held.on_picture(after(6)) == held

    def test_a_picture_lost_for_long_shows_as_starting_and_comes_back(self) -> None:
        live = live_since_t0()
        assert live.at(after(1) + PICTURE_LOST_AFTER - timedelta(milliseconds=1)).state is ChannelState.LIVE
        lost = live.at(after(1) + PICTURE_LOST_AFTER)
        assert lost.state is ChannelState.STARTING
        assert lost.wants_transcoder
        assert lost.on_picture(after(8)).state is ChannelState.LIVE

    def test_a_wall_clock_set_back_cannot_hold_a_channel_for_ever(self) -> None:
        held = live_since_t0().on_input_stopped(T0, after(3600))
        set_back = held.at(after(10))
        assert set_back.at(after(10) + HOLD).state is ChannelState.OFFLINE
        picture = Life().on_input_started(T0).on_picture(after(3600)).at(after(10))
        assert picture.at(after(10) + PICTURE_LOST_AFTER).state is ChannelState.STARTING

    @pytest.mark.parametrize("seed", range(20))
    def test_any_sequence_of_news_keeps_the_rules(self, seed: int) -> None:
        dice = random.Random(seed)
        life, now, since = Life(), T0, T0
        for _ in range(300):
            now += timedelta(seconds=dice.choice([0, 0.2, 1, 4, 20, 40]))
            before = life
            match dice.randrange(4):
                case 0:
                    since = now
                    life = life.on_input_started(since)
                case 1:
                    life = life.on_input_stopped(dice.choice([since, T0]), now)
                case 2:
                    life = life.on_picture(now)
                case _:
                    life = life.at(now)
            assert (life.state is ChannelState.OFFLINE) == (life.since is None), f"seed {seed}"
            assert not (life.ended_at is not None and life.since is None), f"seed {seed}"
            if before.state is ChannelState.OFFLINE:
                assert life.state is not ChannelState.LIVE, f"live without starting, seed {seed}"
            if before.has_input:
                assert life.state is not ChannelState.OFFLINE, f"ended with input, seed {seed}"


class TestLadder:
    def test_keeps_the_shape_and_even_sizes(self) -> None:
        fitted = fit_ladder(PROFILES[ProfileName.STANDARD].renditions, 1920, 800)
        assert [(r.name, r.width, r.height) for r in fitted] == [("480p", 854, 356), ("270p", 480, 200)]

    def test_an_upright_picture_gets_an_upright_ladder(self) -> None:
        fitted = fit_ladder([Rendition("480p", 854, 480, 1)], 1080, 1920)
        assert [(r.width, r.height) for r in fitted] == [(480, 854)]

    def test_never_enlarges_nor_repeats_the_source(self) -> None:
        assert fit_ladder(PROFILES[ProfileName.HIGH].renditions, 640, 360) == ()
        assert fit_ladder([Rendition("480p", 854, 480, 1)], 854, 480) == ()

    def test_absurd_shapes_still_give_legal_sizes(self) -> None:
        (line,) = fit_ladder([Rendition("270p", 480, 270, 1)], 8192, 2)
        assert (line.width, line.height) == (480, 2)

    def test_every_profile_goes_down(self) -> None:
        for profile in PROFILES.values():
            assert {a.codec for a in profile.audio} == {"aac", "opus"}
            bitrates = [r.bitrate_bps for r in profile.renditions]
            assert bitrates == sorted(bitrates, reverse=True)


class TestNames:
    def test_slugs(self) -> None:
        assert slug_from("Main Stage — Évora!") == "main-stage-evora"
        assert slug_from("天河") == ""
        assert slug_from("A") == ""
        slug = TypeAdapter(Slug)
        for name in ("x" * 300, "a" * 39 + " b", "Ωmega 2", "--a--b--"):
            slug.validate_python(slug_from(name))

    def test_spaces(self) -> None:
        assert channel_of(space_of("ch_1")) == "ch_1"
        for foreign in ("play/ch_1", "live/", "live", "live/a/b", ""):
            assert channel_of(foreign) is None

    def test_only_the_channels_of_a_lost_node_move(self) -> None:
        channels = [f"ch_{i}" for i in range(200)]
        before = {c: home_of(c, ["n1", "n2", "n3"]) for c in channels}
        after_loss = {c: home_of(c, ["n3", "n1"]) for c in channels}
        assert all(after_loss[c] == home for c, home in before.items() if home != "n2")
        assert {before[c] for c in channels} == {"n1", "n2", "n3"}
        assert home_of("ch_1", []) is None
