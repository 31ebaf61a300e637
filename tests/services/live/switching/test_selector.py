"""The selector over simulated arrivals: when it changes, to what, and that two of them agree."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from skyriver.services.live.model import InputName, InputSelect
from skyriver.services.live.switching import Feed, InputSelector, Policy, Reason, Switch
from skyriver.services.live.switching.selector import LOOK_MAX_S, LOST_AFTER_S, SLATE_AFTER_S

MAIN, BACKUP = InputName.MAIN, InputName.BACKUP
FRAME_S = 1 / 30
GOP = 60
EPOCH_US = 1_700_000_000_000_000
LOOK_S = 0.05


@dataclass(frozen=True)
class Stretch:
    """One input that sends from `begin_s` to `end_s`; its clock, its network."""

    name: InputName
    begin_s: float
    end_s: float
    frame_s: float = FRAME_S
    behind_s: float = 0.02
    jitter_s: float = 0.0

    def arrivals(self, dice: random.Random) -> Iterable[tuple[float, InputName, int, bool]]:
        count = int((self.end_s - self.begin_s) / self.frame_s)
        at_s = 0.0
        for n in range(count):
            sent_s = self.begin_s + n * self.frame_s
            at_s = max(at_s, sent_s + self.behind_s + dice.uniform(0, self.jitter_s))
            yield at_s, self.name, EPOCH_US + round(sent_s * 1e6), n % GOP == 0


def simulate(
    *stretches: Stretch,
    until_s: float,
    policy: Policy | None = None,
    orders: Iterable[tuple[float, Policy]] = (),
    looks_from_s: float = 0.0,
    seed: int = 0,
    selector: InputSelector | None = None,
) -> list[tuple[float, Switch]]:
    """Every switch with its time. Arrivals, looks and orders come in the order of time."""
    dice = random.Random(seed)
    selector = selector or InputSelector(policy or Policy())
    happenings: list[tuple[float, int, object]] = [
        (at, 0, (name, pts, key)) for s in stretches for at, name, pts, key in s.arrivals(dice) if at < until_s
    ]
    looks = int((until_s - looks_from_s) / LOOK_S)
    happenings += [(looks_from_s + n * LOOK_S, 1, None) for n in range(looks)]
    happenings += [(at, 2, order) for at, order in orders]
    switches = []
    for at_s, _, happening in sorted(happenings, key=lambda h: (h[0], h[1])):
        switch: Switch | None = None
        if isinstance(happening, Policy):
            selector.follow(happening)
            switch = selector.look(at_s)
        elif isinstance(happening, tuple):
            name, pts_us, key = happening
            switch = selector.arrive(name, pts_us, at_s, keyframe=key)
        else:
            switch = selector.look(at_s)
        if switch is not None:
            switches.append((at_s, switch))
    return switches


def feeds(switches: list[tuple[float, Switch]]) -> list[tuple[Feed, Reason]]:
    return [(switch.to, switch.reason) for _, switch in switches]


def test_main_is_shown_from_its_first_keyframe_even_when_the_backup_was_heard_first() -> None:
    switches = simulate(Stretch(BACKUP, 0, 5), Stretch(MAIN, 0.1, 5), until_s=5)
    assert feeds(switches) == [(Feed.MAIN, Reason.START)]


def test_the_backup_alone_is_shown_after_a_grace() -> None:
    switches = simulate(Stretch(BACKUP, 0, 5), until_s=5)
    assert feeds(switches) == [(Feed.BACKUP, Reason.START)]
    assert switches[0][0] < 0.5


def test_what_was_shown_before_a_restart_is_shown_again() -> None:
    selector = InputSelector(Policy(revert_us=None), first=BACKUP)
    switches = simulate(Stretch(MAIN, 0, 5), Stretch(BACKUP, 0.05, 5), until_s=5, selector=selector)
    assert feeds(switches) == [(Feed.BACKUP, Reason.START)]


def test_a_lost_main_is_replaced_within_half_a_second() -> None:
    switches = simulate(Stretch(MAIN, 0, 10), Stretch(BACKUP, 0, 20), until_s=20)
    assert feeds(switches) == [(Feed.MAIN, Reason.START), (Feed.BACKUP, Reason.LOST)]
    at_s, switch = switches[1]
    assert at_s - 10 <= LOST_AFTER_S + 2 * LOOK_S
    assert switch.silent_s == pytest.approx(LOST_AFTER_S, abs=2 * LOOK_S)


def test_jitter_and_slow_sources_are_no_loss() -> None:
    shaky = simulate(Stretch(MAIN, 0, 30, jitter_s=0.35), Stretch(BACKUP, 0, 30), until_s=29)
    assert feeds(shaky) == [(Feed.MAIN, Reason.START)]
    slides = simulate(Stretch(MAIN, 0, 30, frame_s=0.3), Stretch(BACKUP, 0, 30), until_s=29)
    assert feeds(slides) == [(Feed.MAIN, Reason.START)]


def test_main_comes_back_once_it_has_been_well_for_the_policys_time_and_at_a_keyframe() -> None:
    back = Stretch(MAIN, 15, 60)
    switches = simulate(Stretch(MAIN, 0, 10), Stretch(BACKUP, 0, 60), back, until_s=60)
    assert feeds(switches)[-1] == (Feed.MAIN, Reason.REVERT)
    at_s, _ = switches[-1]
    assert 25 <= at_s <= 25 + GOP * FRAME_S + 0.1
    gops = (at_s - back.behind_s - back.begin_s) / (GOP * FRAME_S)
    assert gops == pytest.approx(round(gops), abs=0.01), "at one of its keyframes"


def test_an_unsteady_main_is_waited_for_from_its_last_loss() -> None:
    flapping = [Stretch(MAIN, start, start + 6) for start in (0, 12, 20, 28)]
    switches = simulate(*flapping, Stretch(MAIN, 40, 80), Stretch(BACKUP, 0, 80), until_s=80)
    assert feeds(switches)[1:] == [(Feed.BACKUP, Reason.LOST), (Feed.MAIN, Reason.REVERT)]
    assert switches[-1][0] >= 50


def test_without_a_way_back_the_backup_stays() -> None:
    policy = Policy(revert_us=None)
    switches = simulate(Stretch(MAIN, 0, 10), Stretch(MAIN, 12, 60), Stretch(BACKUP, 0, 40), until_s=60, policy=policy)
    assert feeds(switches)[1:] == [(Feed.BACKUP, Reason.LOST), (Feed.MAIN, Reason.LOST)]


def test_a_choice_by_hand_is_carried_out_at_once_and_taken_back_by_the_next() -> None:
    by_hand = Policy(select=InputSelect.BACKUP)
    orders = [(10.0, by_hand), (20.0, Policy(select=InputSelect.MAIN)), (30.0, Policy())]
    switches = simulate(Stretch(MAIN, 0, 40), Stretch(BACKUP, 0, 40), until_s=40, orders=orders)
    assert feeds(switches)[1:] == [(Feed.BACKUP, Reason.MANUAL), (Feed.MAIN, Reason.MANUAL)]
    assert [at for at, _ in switches[1:]] == pytest.approx([10, 20], abs=LOOK_S)


def test_the_way_back_from_a_choice_by_hand_is_the_policys() -> None:
    orders = [(10.0, Policy(select=InputSelect.BACKUP)), (20.0, Policy())]
    switches = simulate(Stretch(MAIN, 0, 40), Stretch(BACKUP, 0, 40), until_s=40, orders=orders)
    assert feeds(switches)[1:] == [(Feed.BACKUP, Reason.MANUAL), (Feed.MAIN, Reason.REVERT)]


def test_a_chosen_input_that_is_not_there_is_shown_when_it_comes() -> None:
    orders = [(5.0, Policy(select=InputSelect.BACKUP))]
    switches = simulate(Stretch(MAIN, 0, 40), Stretch(BACKUP, 20, 40), until_s=40, orders=orders)
    assert feeds(switches)[1:] == [(Feed.BACKUP, Reason.MANUAL)]
    assert 20 < switches[1][0] < 20.5


def test_a_chosen_input_that_is_lost_is_helped_out_for_and_comes_back() -> None:
    chosen = Policy(select=InputSelect.BACKUP, revert_us=None)
    switches = simulate(
        Stretch(MAIN, 0, 60), Stretch(BACKUP, 0, 10), Stretch(BACKUP, 15, 60), until_s=60, policy=chosen
    )
    assert feeds(switches) == [
        (Feed.BACKUP, Reason.START),
        (Feed.MAIN, Reason.LOST),
        (Feed.BACKUP, Reason.REVERT),
    ]


def test_without_any_input_the_slate_is_shown_and_the_first_that_returns_replaces_it() -> None:
    switches = simulate(Stretch(MAIN, 0, 10), Stretch(BACKUP, 0, 10.3), Stretch(BACKUP, 20, 30), until_s=30)
    assert feeds(switches)[-2:] == [(Feed.SLATE, Reason.LOST), (Feed.BACKUP, Reason.RETURNED)]
    slate_s, returned_s = switches[-2][0], switches[-1][0]
    assert slate_s + 0.1 >= 10.3 + SLATE_AFTER_S and slate_s <= 10.3 + SLATE_AFTER_S + 0.5
    assert 20 < returned_s < 20.5


def test_without_a_slate_the_last_input_stays_and_whoever_returns_is_shown() -> None:
    switches = simulate(Stretch(MAIN, 0, 10), Stretch(BACKUP, 20, 30), until_s=30, policy=Policy(slate=False))
    assert feeds(switches)[1:] == [(Feed.BACKUP, Reason.LOST)]


def test_a_transcoder_that_starts_without_any_input_shows_the_slate_after_a_while() -> None:
    switches = simulate(until_s=10)
    assert feeds(switches) == [(Feed.SLATE, Reason.LOST)]
    assert 2 < switches[0][0] < 4


def test_a_process_that_was_held_up_itself_accuses_nobody() -> None:
    selector = InputSelector(Policy())
    simulate(Stretch(MAIN, 0, 10), Stretch(BACKUP, 0, 10), until_s=9.9, selector=selector)
    assert selector.look(14.9) is None, "five seconds in which nobody looked"
    late_us = EPOCH_US + 14_900_000
    assert selector.arrive(MAIN, late_us, 14.9 + LOOK_MAX_S, keyframe=False) is None
    assert selector.active is Feed.MAIN


@pytest.mark.parametrize("seed", range(40))
def test_any_course_of_events_shows_what_is_there_and_twins_agree(seed: int) -> None:
    """Random losses and returns: who is shown is never lost while the other is well; a twin makes the same switches."""
    dice = random.Random(seed)
    stretches = []
    for name in InputName:
        at_s = 0.0 if name is MAIN else dice.uniform(0, 3)
        while at_s < 100:
            length_s = dice.uniform(3, 40)
            stretches.append(Stretch(name, at_s, min(at_s + length_s, 100), jitter_s=0.02))
            at_s += length_s + dice.uniform(1, 12)
    policy = Policy(revert_us=dice.choice([None, 2_000_000, 10_000_000]))
    one = simulate(*stretches, until_s=100, policy=policy, seed=seed)
    other = simulate(
        *(replace(s, behind_s=0.025) for s in stretches), until_s=100, policy=policy, looks_from_s=0.03, seed=seed + 1
    )
    assert feeds(one) == feeds(other), f"seed {seed}"
    assert [at for at, _ in one] == pytest.approx([at for at, _ in other], abs=0.2), f"seed {seed}"
    moments = [(at, switch.to) for at, switch in one] + [(100.0, None)]
    for (begin_s, shown), (end_s, _) in pairwise(moments):
        there = [s for s in stretches if shown is not Feed.SLATE and s.name.value == shown]
        lost_s = begin_s
        for s in sorted(there, key=lambda s: s.begin_s):
            if s.begin_s - 0.5 <= lost_s:
                lost_s = max(lost_s, min(s.end_s, end_s))
        others = [s for s in stretches if s.name.value != shown and s.begin_s + 1 < lost_s + 0.7 < s.end_s - 1]
        assert end_s - lost_s < 0.8 or not others, f"{shown} was shown without a picture from {lost_s}, seed {seed}"
