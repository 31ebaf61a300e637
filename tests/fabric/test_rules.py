"""The pure rules of the fabric: liveness, admission, merging groups, seeing each frame once."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyriver.fabric.admission import SETTLE_S, Admission, Limits
from skyriver.fabric.group_merge import MEDIA_NUMBERED_FROM, OPEN_GROUPS, GroupMerge
from skyriver.fabric.liveness import DEAD_AFTER_S, POKE_AFTER_S, Liveness, Verdict
from skyriver.fabric.moq import Frame
from skyriver.fabric.subscriber import Once

G = MEDIA_NUMBERED_FROM + 5


def test_a_peer_that_is_heard_is_never_poked() -> None:
    liveness = Liveness(heard_at_s=0.0)
    assert {liveness.look(n, n * 0.1) for n in range(50)} == {Verdict.FINE}


def test_a_silent_peer_is_poked_once_and_then_dead() -> None:
    liveness = Liveness(heard_at_s=0.0)
    liveness.look(7, 0.0)
    verdicts = [liveness.look(7, tick / 10) for tick in range(1, 9)]
    assert verdicts.count(Verdict.POKE) == 1
    assert verdicts.index(Verdict.POKE) + 1 == next(t for t in range(1, 9) if t / 10 >= POKE_AFTER_S)
    assert verdicts[-1] is Verdict.DEAD and DEAD_AFTER_S <= 0.8


def test_a_peer_that_answers_the_poke_lives_and_can_be_poked_again() -> None:
    liveness = Liveness(heard_at_s=0.0)
    liveness.look(7, 0.0)
    assert liveness.look(7, 0.3) is Verdict.POKE
    assert liveness.look(8, 0.4) is Verdict.FINE
    assert liveness.look(8, 0.7) is Verdict.POKE


def test_a_session_without_a_transport_is_dead() -> None:
    assert Liveness(heard_at_s=0.0).look(None, 0.0) is Verdict.DEAD


def test_admission_refuses_a_rush_before_any_reading_shows_it() -> None:
    admission = Admission(Limits(max_cpu=0.65, default_session_cpu=0.01))
    admitted = sum(admission.decide(now_s=0.001 * n) is None for n in range(300))
    assert admitted == 65
    assert admission.refused == 235


def test_admission_trusts_readings_once_sessions_have_settled() -> None:
    admission = Admission(Limits(max_cpu=0.65))
    for n in range(50):
        admission.decide(now_s=n * 0.01)
    admission.reading(sessions=50, active=50, egress_bps=50e6, cpu=0.15)
    later_s = 1.0 + SETTLE_S
    admitted = sum(admission.decide(later_s) is None for _ in range(500))
    assert admitted in (149, 150)  # 0.003 of a core each, from 0.15 to 0.65 less what the last ones will cost


def test_admission_refuses_by_bits_and_by_sessions() -> None:
    by_bits = Admission(Limits(max_egress_bps=10_000_000))
    by_bits.reading(sessions=10, active=10, egress_bps=9_500_000, cpu=0.01)
    refusal = by_bits.decide(0.0)
    assert refusal is not None and "Mbit/s" in refusal.reason
    by_count = Admission(Limits(max_sessions=3))
    by_count.reading(sessions=3, active=0, egress_bps=0, cpu=0.0)
    refusal = by_count.decide(0.0)
    assert refusal is not None and "sessions" in refusal.reason


def test_admission_keeps_room_for_every_standby() -> None:
    admission = Admission(Limits(max_cpu=0.65, shed_cpu=0.901))
    admission.reading(sessions=298, active=148, standbys=150, egress_bps=150e6, cpu=0.148 * 3)
    assert [admission.decide(0.0) is None for _ in range(3)] == [True, True, False]
    assert admission.load == pytest.approx(0.894 / 0.901)
    admission.reading(sessions=150, active=148, standbys=2, egress_bps=150e6, cpu=0.148 * 3)
    assert admission.decide(10.0) is None


def test_overload_sheds_a_tenth_after_two_readings_and_not_before() -> None:
    admission = Admission()
    admission.reading(sessions=200, active=200, egress_bps=2e8, cpu=0.95)
    assert admission.shed() == 0
    admission.reading(sessions=200, active=200, egress_bps=2e8, cpu=0.95)
    assert admission.shed() == 20
    assert admission.shed() == 0


@dataclass
class Group:
    """Records what is written to one group."""

    frames: list[int] = field(default_factory=list)
    finished: bool = False

    def write_frame(self, payload: bytes, timestamp_us: int) -> None:
        assert not self.finished
        self.frames.append(timestamp_us)

    def finish(self) -> None:
        self.finished = True


class Track:
    """Makes groups and refuses a number twice, as the library does."""

    def __init__(self) -> None:
        self.groups: dict[int, Group] = {}
        self.merge = GroupMerge(self.open_group)  # type: ignore[arg-type]

    def open_group(self, number: int) -> Group:
        assert number not in self.groups, "the library ends a track on a duplicate number"
        self.groups[number] = Group()
        return self.groups[number]

    def write(self, group: int, *timestamps_us: int) -> list[bool]:
        return [self.merge.write(group, Frame(payload=b"x", timestamp_us=t)) for t in timestamps_us]


def test_a_restarted_encoder_continues_the_open_group() -> None:
    track = Track()
    track.merge.feeder_changed(G)
    track.write(G, 10, 20, 30)
    track.merge.interrupted()
    track.merge.feeder_changed(G)
    assert track.write(G, 20, 30, 40, 50) == [False, False, True, True]
    assert track.groups[G].frames == [10, 20, 30, 40, 50] and not track.groups[G].finished


def test_nothing_is_put_in_behind_later_frames() -> None:
    track = Track()
    track.write(G, 10, 30, 40)  # 20 was left out by an encoder that was behind
    track.merge.interrupted()
    track.merge.feeder_changed(G)
    assert track.write(G, 10, 20, 30, 40, 50) == [False, False, False, False, True]
    assert track.groups[G].frames == [10, 30, 40, 50]


def test_sound_that_a_standby_has_cut_elsewhere_goes_on_after_what_was_heard() -> None:
    track = Track()
    track.write(G, 0, 20, 40, 60)
    track.merge.interrupted()
    track.merge.feeder_changed(G)
    assert track.write(G, 7, 27, 47, 67, 87) == [False, False, False, True, True]


def test_b_frames_go_on_in_the_middle_of_their_order() -> None:
    track = Track()
    track.write(G, 0, 30, 10)
    track.merge.interrupted()
    track.merge.feeder_changed(G)
    assert track.write(G, 0, 30, 10, 20, 60, 40) == [False, False, False, True, True, True]


def test_b_frames_pass_inside_one_feeders_group() -> None:
    track = Track()
    assert track.write(G, 10, 40, 20, 30) == [True] * 4


def test_an_interrupted_group_is_closed_when_the_next_begins() -> None:
    track = Track()
    track.write(G, 10)
    track.merge.interrupted()
    track.merge.feeder_changed(G + 3)
    track.write(G + 3, 99)
    assert track.groups[G].finished and not track.groups[G + 3].finished


def test_late_duplicates_of_closed_groups_are_dropped() -> None:
    track = Track()
    track.write(G, 10)
    track.merge.finish(G)
    track.merge.feeder_changed(G)
    assert track.write(G, 10, 11) == [False, False]
    assert track.merge.dropped_frames == 2


def test_a_feeder_that_counts_from_zero_goes_on_after_the_last_one() -> None:
    track = Track()
    track.write(0, 1)
    track.merge.finish(0)
    track.write(1, 2)
    track.merge.interrupted()
    track.merge.feeder_changed(0)
    track.write(0, 3)
    assert sorted(track.groups) == [0, 1, 2] and track.groups[2].frames == [3]


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 50), st.sampled_from(["write", "finish", "cut"])), max_size=80)
)
def test_whatever_arrives_no_number_is_opened_twice_and_few_stay_open(steps: list[tuple[int, int, str]]) -> None:
    track = Track()
    for group, timestamp_us, action in steps:
        if action == "write":
            track.write(G + group, timestamp_us)
        elif action == "finish":
            track.merge.finish(G + group)
        else:
            track.merge.interrupted()
            track.merge.feeder_changed(G + group)
        assert sum(not g.finished for g in track.groups.values()) <= OPEN_GROUPS


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=200))
def test_each_frame_is_seen_once(frames: list[tuple[int, int]]) -> None:
    once = Once()
    passed = [frame for frame in frames if once.first_time(*frame)]
    assert len(passed) == len(set(passed))
