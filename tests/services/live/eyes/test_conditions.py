"""What counts as wrong with a channel, and what webhooks are told of it; out of what is seen, written by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from skyriver.platform.alarms import Severity
from skyriver.services.live.eyes.conditions import DETECTED, WatchedChannel, channel_conditions, is_unknown
from skyriver.services.live.eyes.telling import Told
from skyriver.services.live.media.detectors import DetectorSettings
from skyriver.services.live.model import ChannelState, Input, InputName
from skyriver.services.live.seen import Seen, SeenInput

CHANNEL = WatchedChannel("ch_1", "ten_a", "Stage", DetectorSettings(black_alarm_s=3.0))
MAIN = SeenInput(InputName.MAIN, Input(), datetime(2026, 5, 1, tzinfo=UTC), "core", "nd_1", True, 20.0)
SHOWN = Seen(ChannelState.LIVE, {InputName.MAIN: MAIN}, False, {}, 0, [], 30.0)


def report(*wrong: str, **more: Any) -> dict[str, Any]:
    return {"states": {name: name in wrong for name in DETECTED}, **more}


def kinds(seen: Seen, *wrong: str) -> list[str]:
    return [condition.kind for condition in channel_conditions(CHANNEL, seen, report(*wrong))]


def test_a_good_show_and_a_channel_that_is_off_have_no_alarms() -> None:
    assert kinds(SHOWN) == []
    assert kinds(replace(SHOWN, state=ChannelState.OFFLINE, inputs={}), "black", "silent") == []


def test_what_detectors_see_becomes_alarms_after_the_channels_own_time() -> None:
    conditions = {c.kind: c for c in channel_conditions(CHANNEL, SHOWN, report("black", "silent"))}
    assert set(conditions) == {"black", "silence"}
    black = conditions["black"]
    assert (black.raise_after_s, black.severity, black.subject.id) == (3.0, Severity.CRITICAL, "ch_1")
    assert black.message.startswith("Stage: ") and black.hint


def test_numbers_are_told_with_it() -> None:
    figures = {
        "sound": {"short_term_lufs": -4.2},
        "arrivals": {"bitrate_bps": 100_000, "usual_bitrate_bps": 4_000_000, "fps": 5.0, "usual_fps": 30.0},
    }
    seen = report("too_loud", "bitrate_low", "fps_low", **figures)
    texts = " ".join(condition.message for condition in channel_conditions(CHANNEL, SHOWN, seen))
    assert "-4.2 LUFS" in texts and "100 instead of 4000 kbit/s" in texts and "5.0 instead of 30.0 pictures" in texts


def test_a_lost_input_is_one_alarm_and_not_five() -> None:
    lost = replace(SHOWN, inputs={}, on_slate=True)
    assert kinds(lost, "black", "frozen", "silent", "fps_low") == ["input_lost"]
    (condition,) = channel_conditions(CHANNEL, lost, {})
    assert "slate" in condition.message
    assert kinds(replace(SHOWN, on_slate=True), "black", "silent") == ["silence"], "a slate may be black"


def test_a_publisher_without_a_picture() -> None:
    assert kinds(replace(SHOWN, state=ChannelState.STARTING)) == ["no_picture"]


def test_a_silent_transcoder_neither_confirms_nor_denies() -> None:
    (black,) = channel_conditions(CHANNEL, SHOWN, report("black"))
    assert is_unknown(black, SHOWN, {}) and is_unknown(black, SHOWN, {"states": {"silent": False}})
    assert not is_unknown(black, SHOWN, report())
    assert not is_unknown(black, replace(SHOWN, state=ChannelState.OFFLINE), {})
    (lost,) = channel_conditions(CHANNEL, replace(SHOWN, inputs={}), {})
    assert not is_unknown(lost, SHOWN, {})


@pytest.mark.parametrize("nonsense", [{}, {"states": 7}, {"states": {"black": "yes"}}, {"states": None, "sound": 1}])
def test_reports_that_are_none_are_taken_for_none(nonsense: dict[str, Any]) -> None:
    assert list(channel_conditions(CHANNEL, SHOWN, nonsense)) == []


def test_what_is_told_follows_the_show() -> None:
    backup = replace(MAIN, name=InputName.BACKUP)
    starting = replace(SHOWN, state=ChannelState.STARTING)
    offline = replace(SHOWN, state=ChannelState.OFFLINE, inputs={})
    told = Told()
    steps = []
    for seen in (
        starting,
        SHOWN,
        replace(SHOWN, inputs={InputName.BACKUP: backup}),
        starting,
        replace(SHOWN, inputs={}, on_slate=True),
        SHOWN,
        offline,
        offline,
    ):
        told = told.after(seen)
        steps.append((told.state, told.active_input))
    assert steps == [
        ("offline", ""),
        ("live", "main"),
        ("live", "backup"),
        ("live", "main"),
        ("live", "slate"),
        ("live", "main"),
        ("offline", ""),
        ("offline", ""),
    ]
