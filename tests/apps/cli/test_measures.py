"""The arithmetic under watch, drills and benchmarks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyriver.apps.cli.measure.arrivals import Arrivals
from skyriver.apps.cli.measure.drill import DrillReport, Kill, Stage
from skyriver.apps.cli.measure.histogram import Histogram
from skyriver.apps.cli.measure.machine import markdown
from skyriver.apps.cli.measure.summary import percentile, summarise


def seen(*at_s: float) -> Arrivals:
    arrivals = Arrivals()
    for moment_s in at_s:
        arrivals.add(moment_s, 10.0, "a")
    return arrivals


def test_a_percentile_is_a_value_that_was_seen() -> None:
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50.0, 99.0, 100.0)
    assert percentile([], 99) == 0.0


@given(st.lists(st.floats(0, 50_000), min_size=1))
def test_a_histogram_is_within_its_bucket_of_the_truth(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    again = Histogram.from_json(histogram.to_json())
    for percent in (50, 99):
        assert 0 <= again.percentile(percent) - percentile(values, percent) <= 1


def test_the_longest_gap_is_found() -> None:
    assert seen(1.0, 1.1, 1.6, 1.7).max_gap_ms() == pytest.approx(500)


def test_the_last_frame_before_a_kill_opens_its_gap() -> None:
    assert seen(1.0, 1.9, 2.3, 2.4).max_gap_ms(from_s=2.0) == pytest.approx(400)


def test_a_viewer_that_never_came_back_has_the_whole_window_as_its_gap() -> None:
    assert seen(1.0, 2.0).max_gap_ms(from_s=2.0, until_s=5.0) == pytest.approx(3000)
    assert Arrivals().max_gap_ms(from_s=2.0, until_s=5.0) == pytest.approx(3000)


def test_an_older_gap_does_not_count() -> None:
    assert seen(1.0, 3.0, 3.1, 3.2).max_gap_ms(from_s=3.05, until_s=3.25) == pytest.approx(100)


def test_edges_are_kept_in_the_order_they_were_used() -> None:
    arrivals = Arrivals()
    for number, edge in enumerate(["a", "a", "b", "a"]):
        arrivals.add(float(number), 1.0, edge)
    assert (arrivals.edges, arrivals.frames) == (["a", "b", "a"], 4)


def test_arrivals_are_bounded() -> None:
    arrivals = Arrivals(limit=10)
    for number in range(100):
        arrivals.add(float(number), 1.0, "a")
    assert (arrivals.frames, len(arrivals.since(0.0))) == (100, 10)


def test_a_drill_reports_the_viewers_it_hit() -> None:
    report = DrillReport(
        Stage.EDGE, "demo", 2, [Kill("wl_1", (300.0, 40.0), (300.0,)), Kill("wl_2", (50.0, 250.0), (250.0,))]
    )
    told = report.as_json()
    assert told["gap_ms"] == {"count": 2, "p50": 250.0, "p99": 300.0, "max": 300.0}
    assert told["gap_ms_all"]["count"] == 4


def test_an_api_drill_tells_whether_anything_was_lost() -> None:
    kills = [Kill("pid 1", (33.0,), (33.0,), api_back_ms=900.0, kept=kept) for kept in (True, False)]
    told = DrillReport(Stage.API, "demo", 1, kills).as_json()
    assert (told["kept"], told["api_back_ms"]["max"]) == (False, 900.0)


def test_a_summary_of_nothing_is_zeros() -> None:
    assert summarise([]).as_json() == {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0}


def test_a_markdown_table() -> None:
    assert markdown(("a", "b"), [(1, None)]) == "| a | b |\n|---|---|\n| 1 | - |"
