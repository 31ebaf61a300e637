"""A drill that kills real processes under real viewers."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyriver.apps.cli.measure import drill as drilling
from skyriver.apps.cli.measure.drill import Stage, drill
from skyriver.kernel.errors import InvalidInput, NotReady

from .small_cloud import small_cloud


async def test_an_edge_drill_kills_what_viewers_use_and_they_go_on(tmp_path: Path) -> None:
    told: list[float] = []
    async with small_cloud(tmp_path) as (cloud, sky):
        report = await drill(sky, Stage.EDGE, "demo", times=2, viewers=2, step=lambda done, words: told.append(done))
    seen = report.as_json()
    assert (told, seen["times"], len(cloud.kills)) == ([1, 2], 2, 2)
    assert seen["gap_ms"]["count"] >= 2  # at least one viewer was on the edge that was killed, each time
    assert seen["gap_ms_all"]["count"] == 4
    assert seen["reconnects"] >= 2
    assert 0 < seen["gap_ms"]["max"] < drilling.WINDOW_S[Stage.EDGE] * 1000  # whoever was hit, came back


async def test_an_edge_drill_with_one_edge_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drilling, "WHOLE_TIMEOUT_S", 1.0)
    async with small_cloud(tmp_path, edges=1) as (cloud, sky):
        with pytest.raises(ExceptionGroup) as caught:
            await drill(sky, Stage.EDGE, "demo", times=1, viewers=1, step=lambda done, words: None)
    (told,) = caught.value.exceptions
    assert isinstance(told, NotReady)
    assert "two edges" in told.hint
    assert cloud.kills == []


async def test_an_api_drill_from_another_machine_is_refused(tmp_path: Path) -> None:
    async with small_cloud(tmp_path) as (_, sky):
        with pytest.raises(ExceptionGroup) as caught:
            await drill(sky, Stage.API, "demo", times=1, viewers=1, step=lambda done, words: None)
    assert isinstance(caught.value.exceptions[0], InvalidInput)
