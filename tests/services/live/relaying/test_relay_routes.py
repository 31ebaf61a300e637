"""Pulls and destinations over HTTP, on every database: what is kept, what is never shown, what is planned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from skyriver.kernel.clock import utc_now
from skyriver.platform.workloads import ObservedState
from skyriver.services.live.intents import Doors, InputPlan, read_plans
from skyriver.services.live.intents.relaying import PULL, PUSH, pull_name, push_name, read_relays, relay_intents
from skyriver.services.live.life import Presence
from skyriver.services.live.model import InputName
from skyriver.services.live.relaying.operations import DESTINATIONS_PER_CHANNEL_MAX, RelaySeal
from skyriver.services.live.stations import key_sha256
from tests.services.live.hand_cloud import small_cloud, station, workload
from tests.services.live.test_api import Scene, problem, scene

__all__ = ["scene"]

CAMERA = "rtsp://user:pa55word@camera.test/stream?token=tok-en"
FAR = {"name": "Tube", "url": "rtmps://far.test/app", "key": "far-k3y"}
SECRETS = ("pa55word", "tok-en", "far-k3y")


def unseen(*answers: httpx.Response) -> None:
    for answer in answers:
        assert not [secret for secret in SECRETS if secret in answer.text]


async def intents(scene: Scene, channel_id: str, *, live: bool) -> dict[str, Any]:
    """What would run, by name."""
    scene.hand.nodes = small_cloud(station("n1"))
    async with scene.cloud.store.session() as session:
        plans = await read_plans(session, lambda _: None)
        pulls, pushes = await read_relays(session, scene.cloud.runtime.get(RelaySeal))
    now = utc_now()
    if live:
        published = InputPlan(presence=Presence(now, None), node_id="n1")
        plans = [replace(plan, inputs={**plan.inputs, InputName.MAIN: published}) for plan in plans]
    observed = ObservedState(scene.hand.nodes, lambda name, space, put, get, tenant_id: f"{space} {put} {get}")
    found = relay_intents(pulls, pushes, plans, observed, now=now, doors=Doors(), allow_private=False)
    return {intent.name: intent for intent in found}


async def test_a_pull_is_set_shown_without_its_secrets_and_cleared(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    path = f"/v1/channels/{channel['slug']}/pull"
    assert problem(await scene.red.get(path)) == (404, "pull_not_found")
    made = await scene.red.put(path, json={"url": CAMERA, "loop": True})
    assert made.status_code == 200, made.text
    assert made.json()["url"] == "rtsp://***@camera.test/stream?token=***"
    assert made.json()["status"]["state"] == "waiting"
    stopped = await scene.red.put(path, json={"enabled": False})
    assert (stopped.json()["enabled"], stopped.json()["url"]) == (False, made.json()["url"])
    unseen(made, stopped, await scene.red.get(path), await scene.red.get("/v1/audit"))
    assert (await scene.red.delete(path)).status_code == 204
    assert problem(await scene.red.get(path)) == (404, "pull_not_found")


async def test_nothing_of_it_lies_open_in_the_store(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    await scene.red.put(f"/v1/channels/{channel['id']}/pull", json={"url": CAMERA})
    await scene.red.post(f"/v1/channels/{channel['id']}/destinations", json=FAR)
    async with scene.cloud.store.session() as session:
        for table in ("live_pulls", "live_destinations"):
            for row in await session.execute(text(f"SELECT * FROM {table}")):
                stored = b" ".join(bytes(v) if isinstance(v, bytes | memoryview) else str(v).encode() for v in row)
                assert not [secret for secret in SECRETS if secret.encode() in stored]


async def test_a_pull_has_a_key_of_its_own_that_opens_the_door(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    await scene.red.put(f"/v1/channels/{channel['id']}/pull", json={"url": CAMERA, "loop": True})
    intent = (await intents(scene, channel["id"], live=False))[pull_name(channel["id"])]
    assert intent.kind == PULL
    assert (intent.node_id, intent.spec["url"], intent.spec["loop"]) == ("n1", CAMERA, True)
    async with scene.cloud.store.session() as session:
        (plan,) = await read_plans(session, lambda _: None)
    assert key_sha256(intent.spec["key"]) in plan.inputs[InputName.MAIN].key_sha256
    keys = await scene.red.get(f"/v1/channels/{channel['id']}/stream-keys")
    assert len(keys.json()["items"]) == 1, "it is not one of the tenant's own"
    await scene.red.put(f"/v1/channels/{channel['id']}/pull", json={"enabled": False})
    assert await intents(scene, channel["id"], live=True) == {}


async def test_each_input_has_a_pull_of_its_own(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    path = f"/v1/channels/{channel['id']}/pull"
    assert problem(await scene.red.get(path, params={"input": "backup"})) == (404, "pull_not_found")
    backup = await scene.red.put(
        path, params={"input": "backup"}, json={"url": "srt://far.test:9000?streamid=abcdefgh"}
    )
    assert (backup.json()["input"], backup.json()["url"]) == ("backup", "srt://far.test:9000?streamid=***")
    await scene.red.put(path, json={"url": CAMERA})
    planned = await intents(scene, channel["id"], live=False)
    names = [pull_name(channel["id"]), pull_name(channel["id"], "backup")]
    assert {name: planned[name].spec["url"].partition(":")[0] for name in names} == {names[0]: "rtsp", names[1]: "srt"}
    async with scene.cloud.store.session() as session:
        (plan,) = await read_plans(session, lambda _: None)
    for name, own in zip(names, InputName, strict=True):
        assert key_sha256(planned[name].spec["key"]) in plan.inputs[own].key_sha256
    assert (await scene.red.delete(path)).status_code == 204
    assert list(await intents(scene, channel["id"], live=False)) == names[1:]


async def test_a_destination_is_pushed_to_while_the_channel_is_on(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    path = f"/v1/channels/{channel['id']}/destinations"
    made = await scene.red.post(path, json=FAR)
    assert made.status_code == 201, made.text
    own = made.json()["id"]
    changed = await scene.red.patch(f"{path}/{own}", json={"rendition": "480p", "name": "Tube 2"})
    assert (changed.json()["rendition"], changed.json()["name"]) == ("480p", "Tube 2")
    unseen(made, changed, await scene.red.get(path), await scene.red.get("/v1/audit"))
    assert await intents(scene, channel["id"], live=False) == {}
    intent = (await intents(scene, channel["id"], live=True))[push_name(own)]
    assert (intent.kind, intent.tenant_id) == (PUSH, scene.cloud.red.id)
    assert (intent.spec["url"], intent.spec["key"], intent.spec["rendition"]) == (FAR["url"], FAR["key"], "480p")
    assert intent.spec["grant"] == f"live/{channel['id']} () ('live',)", "it may read the show, and nothing else"
    await scene.red.patch(f"{path}/{own}", json={"enabled": False})
    assert await intents(scene, channel["id"], live=True) == {}
    assert problem(await scene.red.patch(f"{path}/{own}", json={"url": "rtmp://b.test/app"})) == (422, "bad_relay_url")
    assert (await scene.red.delete(f"{path}/{own}")).status_code == 204
    assert problem(await scene.red.delete(f"{path}/{own}")) == (404, "destination_not_found")


async def test_a_channel_has_so_many_destinations(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    path = f"/v1/channels/{channel['id']}/destinations"
    for _ in range(DESTINATIONS_PER_CHANNEL_MAX):
        assert (await scene.red.post(path, json=FAR)).status_code == 201
    assert problem(await scene.red.post(path, json=FAR)) == (409, "too_many_destinations")


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("pull", {"url": "file:///etc/passwd"}),
        ("pull", {"url": "srt://far.test:9000?mode=listener"}),
        ("destinations", FAR | {"url": "http://far.test/app"}),
        ("destinations", FAR | {"rendition": "../x"}),
        ("destinations", FAR | {"key": "two words"}),
    ],
)
async def test_what_cannot_be_is_refused_and_not_repeated(scene: Scene, what: str, body: dict[str, Any]) -> None:
    channel = (await scene.create())["channel"]
    path = f"/v1/channels/{channel['id']}/{what}"
    answer = await (scene.red.put(path, json=body) if what == "pull" else scene.red.post(path, json=body))
    assert answer.status_code == 422
    unseen(answer)


async def test_states_come_from_the_workloads(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    path = f"/v1/channels/{channel['id']}"
    await scene.red.put(f"{path}/pull", json={"url": CAMERA})
    own = (await scene.red.post(f"{path}/destinations", json=FAR)).json()["id"]
    common = {"since_us": 1_700_000_000_000_000, "error": "", "fps": 25, "bitrate_bps": 4_000_000}
    scene.hand.nodes = small_cloud(
        workload(PULL, "n1", name=pull_name(channel["id"]), metrics=common | {"state": "running", "video": "h264"}),
        workload(PUSH, "n1", name=push_name(own), metrics=common | {"state": "retrying", "error": "No such key."}),
    )
    pull = (await scene.red.get(f"{path}/pull")).json()["status"]
    assert (pull["state"], pull["fps"], pull["video"], pull["since"]) == (
        "running",
        25,
        "h264",
        "2023-11-14T22:13:20Z",
    )
    push = (await scene.red.get(f"{path}/destinations")).json()["items"][0]["status"]
    assert (push["state"], push["error"]) == ("retrying", "No such key.")


async def test_a_create_with_another_secret_is_another_create(scene: Scene) -> None:
    channel = (await scene.create())["channel"]
    path, headers = f"/v1/channels/{channel['slug']}/destinations", {"Idempotency-Key": "try-1"}
    first = await scene.red.post(path, json=FAR, headers=headers)
    again = await scene.red.post(path, json=FAR, headers=headers)
    assert first.status_code == 201 and again.json() == first.json()
    for changed in ({"key": "0ther-k3y"}, {"url": "rtmps://far.test/b1s"}):
        assert problem(await scene.red.post(path, json=FAR | changed, headers=headers)) == (
            409,
            "idempotency_key_reused",
        )
