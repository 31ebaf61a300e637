"""Media time survives a station's restart, and a clock that was set back."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyriver.services.live.media.high_water import MARGIN_US, STEP_MAX_US, HighWater

NOW_US = 1_800_000_000_000_000


def test_nothing_is_known_at_first(tmp_path: Path) -> None:
    assert HighWater(tmp_path).floor_us("ch_1", NOW_US) == 0


def test_a_restart_goes_on_above_what_may_have_been_published_unsaved(tmp_path: Path) -> None:
    before = HighWater(tmp_path)
    before.raise_to("ch_1", NOW_US)
    before.save()
    set_back_us = NOW_US - 3600 * 1_000_000
    assert HighWater(tmp_path).floor_us("ch_1", set_back_us) == NOW_US + MARGIN_US


def test_a_clock_that_went_on_is_not_held_back(tmp_path: Path) -> None:
    before = HighWater(tmp_path)
    before.raise_to("ch_1", NOW_US)
    before.save()
    later_us = NOW_US + 10_000_000
    assert HighWater(tmp_path).floor_us("ch_1", later_us) < later_us


def test_within_a_process_the_mark_itself_counts(tmp_path: Path) -> None:
    marks = HighWater(tmp_path)
    marks.raise_to("ch_1", NOW_US)
    marks.raise_to("ch_1", NOW_US - 5)
    assert marks.floor_us("ch_1", NOW_US - 100) == NOW_US


def test_a_mark_from_a_broken_clock_is_not_waited_for(tmp_path: Path) -> None:
    before = HighWater(tmp_path)
    before.raise_to("ch_1", NOW_US + STEP_MAX_US + 1)
    before.save()
    assert HighWater(tmp_path).floor_us("ch_1", NOW_US) == 0


def test_channels_that_left_are_forgotten_at_the_next_save(tmp_path: Path) -> None:
    marks = HighWater(tmp_path)
    marks.raise_to("ch_1", NOW_US)
    marks.raise_to("ch_2", NOW_US)
    marks.keep_only({"ch_2": None})
    marks.save()
    again = HighWater(tmp_path)
    assert (again.floor_us("ch_1", 0), again.floor_us("ch_2", NOW_US)) == (0, NOW_US + MARGIN_US)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ch_1": "x"}', "\x00\xff"])
def test_a_damaged_file_is_started_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "high-water.json").write_text(content)
    marks = HighWater(tmp_path)
    assert marks.floor_us("ch_1", NOW_US) == 0
    marks.raise_to("ch_1", NOW_US)
    marks.save()
    assert HighWater(tmp_path).floor_us("ch_1", NOW_US) == NOW_US + MARGIN_US


def test_a_folder_that_cannot_be_written_does_not_end_the_show(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    marks = HighWater(tmp_path / "file")
    marks.raise_to("ch_1", NOW_US)
    marks.save()
    assert marks.floor_us("ch_1", 0) == NOW_US
