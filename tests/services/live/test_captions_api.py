"""Captions through the whole application: languages, cues, their limits, and who is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from skyriver.fabric import group_of
from skyriver.kernel.clock import utc_now
from skyriver.services.live.captions.model import CUES_BURST, TRACKS_MAX
from tests.services.live.hand_cloud import small_cloud, transcoder
from tests.services.live.test_api import Scene, problem
from tests.services.live.test_api import scene as scene

PATH = "/v1/channels/main-stage/captions"
PATIENCE_S = 10.0  # only a failure takes that long


async def on_air(scene: Scene) -> str:
    channel_id = str((await scene.create())["channel"]["id"])
    scene.hand.nodes = small_cloud(transcoder(channel_id, "n1"))
    return channel_id


async def test_a_language_is_put_on_offer_renamed_and_removed(scene: Scene) -> None:
    await scene.create()
    plans = scene.hand.plans
    assert (await scene.red.put(f"{PATH}/zh-Hans", json={})).json()["language"] == "zh-hans"
    assert (await scene.red.put(f"{PATH}/zh-hans", json={"label": "中文"})).json()["label"] == "中文"
    assert scene.hand.plans == plans + 2
    listed = (await scene.red.get(PATH)).json()["items"]
    assert [(track["language"], track["label"]) for track in listed] == [("zh-hans", "中文")]
    assert (await scene.red.delete(f"{PATH}/ZH-HANS")).status_code == 204
    assert problem(await scene.red.delete(f"{PATH}/zh-hans")) == (404, "caption_track_not_found")
    for number in range(TRACKS_MAX):
        assert (await scene.red.put(f"{PATH}/en-x{number}", json={})).status_code == 200
    assert problem(await scene.red.put(f"{PATH}/fr", json={})) == (409, "too_many_caption_tracks")


async def test_a_cue_reaches_the_transcoder_in_media_time_and_offers_its_language(scene: Scene) -> None:
    channel_id = await on_air(scene)
    before = utc_now()
    sent = await scene.red.post(PATH, json={"language": "EN", "text": " Good evening. \n\n Welcome. ", "duration_s": 3})
    assert sent.status_code == 202, sent.text
    start = datetime.fromisoformat(sent.json()["start"])
    assert before <= start <= utc_now()
    assert datetime.fromisoformat(sent.json()["end"]) - start == timedelta(seconds=3)
    [(workload_id, command)] = scene.hand.told
    assert workload_id == f"wl_transcoder_{channel_id}"
    start_us = (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert (command["cmd"], command["language"], command["text"]) == ("cue", "en", "Good evening.\nWelcome.")
    assert (command["start_us"], command["end_us"]) == (start_us, start_us + 3_000_000)
    assert command["group"] == group_of(command["told_us"])
    assert [track["language"] for track in (await scene.red.get(PATH)).json()["items"]] == ["en"]


async def test_nobodys_write_waits_for_a_node_that_is_told_a_cue(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await on_air(scene)

    async def told(_workload_id: str, _command: Mapping[str, Any]) -> None:
        async with asyncio.timeout(PATIENCE_S), scene.cloud.store.transaction():
            pass  # SQLite has one writer at a time

    monkeypatch.setattr(scene.hand, "tell", told)
    for _ in range(2):  # the first one puts its language on offer
        assert (await scene.red.post(PATH, json={"language": "en", "text": "Hello"})).status_code == 202


async def test_a_cue_that_nobody_would_see_is_refused_with_a_reason(scene: Scene) -> None:
    await scene.create()
    assert problem(await scene.red.post(PATH, json={"language": "en", "text": "Hello"})) == (409, "not_on_air")
    assert (await scene.red.get(PATH)).json()["items"] == []
    await on_air_again(scene)
    for minutes in (-1, 2):
        start = (utc_now() + timedelta(minutes=minutes)).isoformat()
        refused = await scene.red.post(PATH, json={"language": "en", "text": "Hello", "start": start})
        assert problem(refused) == (422, "cue_out_of_time")
    for body in (
        {"text": " \n "},
        {"text": "a\nb\nc\nd\ne"},
        {"text": "x" * 501},
        {"text": "a\x07"},
        {"duration_s": 31},
    ):
        refused = await scene.red.post(PATH, json={"language": "en", "text": "Hello"} | body)
        assert refused.status_code == 422
    assert (await scene.red.post(PATH, json={"language": "e n", "text": "Hello"})).status_code == 422
    assert problem(await scene.blue.post(PATH, json={"language": "en", "text": "Hello"}))[0] == 404
    assert scene.hand.told == []


async def on_air_again(scene: Scene) -> None:
    channel_id = (await scene.red.get("/v1/channels/main-stage")).json()["id"]
    scene.hand.nodes = small_cloud(transcoder(channel_id, "n1"))


async def test_a_channel_has_an_allowance_of_cues(scene: Scene) -> None:
    await on_air(scene)
    answers = [await scene.red.post(PATH, json={"language": "en", "text": "Hello"}) for _ in range(4 * CUES_BURST)]
    refused = next(answer for answer in answers if answer.status_code != 202)
    assert problem(refused) == (429, "captioned_too_often")
    assert int(refused.headers["retry-after"]) >= 1
