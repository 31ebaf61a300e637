"""The HTTP routes of live channels, through the whole application, on every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from skyriver.fabric.grants import Verifier
from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import NotAllowed
from skyriver.platform.alarms.part import PART as ALARMS
from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.fabric_keys.part import PART as FABRIC_KEYS
from skyriver.platform.store import Store
from skyriver.services.live.intents import read_plans
from skyriver.services.live.manifest import live_service
from skyriver.services.live.model import InputName
from skyriver.services.live.observe import Live
from skyriver.services.live.srt_passphrases import PassphraseSeal
from skyriver.services.live.stations import key_sha256
from tests.clouds import Cloud, open_cloud
from tests.services.live.hand_cloud import HandCloud, delivery, node, relay, small_cloud, station, transcoder


@dataclass
class Scene:
    """The API over a hand-made cloud, and a client for each that may matter."""

    cloud: Cloud
    hand: HandCloud
    red: httpx.AsyncClient
    blue: httpx.AsyncClient
    operator: httpx.AsyncClient
    anybody: httpx.AsyncClient

    @property
    def live(self) -> Live:
        return self.cloud.runtime.get(Live)

    async def create(self, client: httpx.AsyncClient | None = None, **body: Any) -> dict[str, Any]:
        answer = await (client or self.red).post("/v1/channels", json={"name": "Main Stage", **body})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created


def deliver_at_edges(hand: HandCloud, **load: float) -> None:
    """Delivery over HTTP at these edge nodes, each with its load."""
    hand.nodes = tuple(
        replace(node, workloads=(*(w for w in node.workloads if w.kind == "relay"), delivery(node.id, load[node.id])))
        if node.id in load
        else node
        for node in hand.nodes
    )


@pytest.fixture
async def scene(store: Store, tmp_path: Path) -> AsyncIterator[Scene]:
    hand = HandCloud(small_cloud())
    async with open_cloud(
        store, tmp_path, parts=(FABRIC_KEYS, ALARMS), services=(live_service(lambda _: hand),)
    ) as cloud:
        yield Scene(
            cloud,
            hand,
            red=await cloud.as_(cloud.red),
            blue=await cloud.as_(cloud.blue),
            operator=await cloud.as_(cloud.operator),
            anybody=await cloud.client(),
        )


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


class TestChannels:
    async def test_creating_shows_the_key_once(self, scene: Scene) -> None:
        created = await scene.create(public=True)
        channel, secret = created["channel"], created["stream_key"]
        assert secret.startswith("sky_pub_")
        doors = {
            "rtmp_url": "rtmp://127.0.0.1:1935/live",
            "rtmps_url": "rtmps://127.0.0.1:1936/live",
            "srt_url": "srt://127.0.0.1:8890",
            "whip_url": "http://127.0.0.1:8891/whip",
        }
        assert channel | {"id": "", "created_at": ""} == {
            "id": "",
            "tenant_id": scene.cloud.red.id,
            "name": "Main Stage",
            "slug": "main-stage",
            "public": True,
            "takeover": "first_wins",
            "profile": "standard",
            "standby": True,
            "adaptive_quality": True,
            "ladder": "adaptive",
            "loudness_lufs": 0,
            "max_bitrate_bps": 50_000_000,
            "state": "offline",
            "created_at": "",
            "ingest": doors | {"backup": doors},  # one core node has both
            "input": None,
            "inputs": [],
            "input_select": "auto",
            "input_revert_s": 10,
            "slate_minutes": 5,
            "on_slate": False,
            "viewers": 0,
            "renditions": [
                {"name": "480p", "width": 854, "height": 480, "bitrate_bps": 1_400_000, "quality": None},
                {"name": "270p", "width": 480, "height": 270, "bitrate_bps": 500_000, "quality": None},
            ],
        }
        for path in ("/v1/channels", "/v1/channels/main-stage", f"/v1/channels/{channel['id']}/stream-keys"):
            assert secret not in (await scene.red.get(path)).text

    async def test_repeating_a_create_repeats_its_answer(self, scene: Scene) -> None:
        body, headers = {"name": "Once"}, {"Idempotency-Key": "k1"}
        first = await scene.red.post("/v1/channels", json=body, headers=headers)
        again = await scene.red.post("/v1/channels", json=body, headers=headers)
        assert first.json() == again.json()
        assert len((await scene.red.get("/v1/channels")).json()["items"]) == 1
        other = await scene.red.post("/v1/channels", json={"name": "Other"}, headers=headers)
        assert problem(other) == (409, "idempotency_key_reused")
        blues = await scene.blue.post("/v1/channels", json=body, headers=headers)
        assert blues.json()["channel"]["id"] != first.json()["channel"]["id"]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"name": ""},
            {"name": "x" * 101},
            {"name": "a\x00b"},
            {"name": 7},
            {"name": None},
            {"name": "a", "slug": "Not A Slug"},
            {"name": "a", "slug": "ch_0123456789abcdef"},
            {"name": "a", "slug": ""},
            {"name": "a", "takeover": "always"},
            {"name": "a", "profile": "8k"},
            {"name": "a", "public": "perhaps"},
            {"name": "a", "state": "live"},
            {"name": "a", "tenant_id": "ten_0000000000000000"},
            [],
            "text",
        ],
    )
    async def test_bad_bodies_are_said(self, scene: Scene, body: Any) -> None:
        assert problem(await scene.red.post("/v1/channels", json=body)) == (422, "invalid_input")
        assert (await scene.red.get("/v1/channels")).json()["items"] == []

    async def test_a_taken_slug_is_said(self, scene: Scene) -> None:
        await scene.create(slug="show")
        await scene.create(slug="other")
        assert problem(await scene.red.post("/v1/channels", json={"name": "a", "slug": "show"})) == (409, "slug_taken")
        assert problem(await scene.red.patch("/v1/channels/other", json={"slug": "show"})) == (409, "slug_taken")
        await scene.create(scene.blue, slug="show")

    async def test_pages(self, scene: Scene) -> None:
        made = [(await scene.create(name=f"Channel {number}"))["channel"]["id"] for number in range(5)]
        seen, cursor = [], None
        while True:
            query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await scene.red.get("/v1/channels", params=query)).json()
            seen += [channel["id"] for channel in page["items"]]
            if not (cursor := page["next_cursor"]):
                break
        assert seen == made
        for query in ({"limit": 0}, {"limit": 1000}, {"cursor": "nonsense"}):
            assert problem(await scene.red.get("/v1/channels", params=query))[0] == 422

    async def test_patching_changes_what_is_given(self, scene: Scene) -> None:
        await scene.create()
        patched = await scene.red.patch("/v1/channels/main-stage", json={"name": "New", "profile": "light"})
        assert (patched.json()["name"], patched.json()["profile"], patched.json()["slug"]) == (
            "New",
            "light",
            "main-stage",
        )
        assert problem(await scene.red.patch("/v1/channels/main-stage", json={"nmae": "x"}))[0] == 422
        assert problem(await scene.red.patch("/v1/channels/nothing", json={"name": "x"})) == (404, "channel_not_found")

    async def test_deleting(self, scene: Scene) -> None:
        await scene.create()
        assert (await scene.red.delete("/v1/channels/main-stage")).status_code == 204
        assert problem(await scene.red.delete("/v1/channels/main-stage")) == (404, "channel_not_found")

    async def test_every_change_has_the_plan_made_anew_once_it_is_stored(self, scene: Scene) -> None:
        plans = scene.hand.plans
        await scene.create()
        assert scene.hand.plans == plans + 1
        await scene.red.patch("/v1/channels/main-stage", json={"takeover": "takeover"})
        assert scene.hand.plans == plans + 2
        await scene.red.post("/v1/channels", json={"name": "a", "slug": "main-stage"})
        assert scene.hand.plans == plans + 2

    async def test_viewers_of_a_tenant_look_and_watch_only(self, scene: Scene) -> None:
        await scene.create()
        viewer = await scene.cloud.as_(scene.cloud.red, "viewer")
        assert (await viewer.get("/v1/channels/main-stage")).status_code == 200
        assert (await viewer.post("/v1/channels/main-stage/watch")).status_code == 200
        for method, path, body in (
            ("POST", "/v1/channels", {"name": "a"}),
            ("PATCH", "/v1/channels/main-stage", {"name": "a"}),
            ("DELETE", "/v1/channels/main-stage", None),
            ("GET", "/v1/channels/main-stage/stream-keys", None),
            ("POST", "/v1/channels/main-stage/stream-keys", {}),
            ("POST", "/v1/channels/main-stage/drill", {"stage": "transcoder"}),
        ):
            assert problem(await viewer.request(method, path, json=body)) == (403, "not_allowed"), path


class TestIsolation:
    async def test_anothers_channel_does_not_exist_on_any_route(self, scene: Scene) -> None:
        channel_id = (await scene.create())["channel"]["id"]
        key_id = (await scene.red.get(f"/v1/channels/{channel_id}/stream-keys")).json()["items"][0]["id"]
        routes: list[tuple[str, str, Any]] = [
            ("GET", "", None),
            ("PATCH", "", {"name": "mine"}),
            ("DELETE", "", None),
            ("GET", "/stream-keys", None),
            ("POST", "/stream-keys", {"name": "mine"}),
            ("POST", f"/stream-keys/{key_id}/rotate", None),
            ("DELETE", f"/stream-keys/{key_id}", None),
            ("POST", "/watch", None),
            ("POST", "/drill", {"stage": "transcoder"}),
        ]
        for name in (channel_id, "main-stage"):
            for method, path, body in routes:
                foreign = await scene.blue.request(method, f"/v1/channels/{name}{path}", json=body)
                missing = await scene.blue.request(method, f"/v1/channels/ch_0000000000000000{path}", json=body)
                assert problem(foreign) == problem(missing) == (404, "channel_not_found"), path
                assert problem(await scene.anybody.request(method, f"/v1/channels/{name}{path}", json=body))[0] == 401
        assert (await scene.blue.get("/v1/channels")).json()["items"] == []
        assert (await scene.operator.get("/v1/channels")).json()["items"] == []
        assert (await scene.red.get(f"/v1/channels/{channel_id}/stream-keys")).json()["items"][0]["id"] == key_id

    async def test_a_key_id_of_another_channel_is_not_found(self, scene: Scene) -> None:
        await scene.create(slug="one")
        await scene.create(slug="two")
        key_id = (await scene.red.get("/v1/channels/two/stream-keys")).json()["items"][0]["id"]
        for method, path in (("DELETE", ""), ("POST", "/rotate")):
            answer = await scene.red.request(method, f"/v1/channels/one/stream-keys/{key_id}{path}")
            assert problem(answer) == (404, "stream_key_not_found")


class TestStreamKeys:
    async def test_add_rotate_and_revoke(self, scene: Scene) -> None:
        first = (await scene.create())["stream_key"]
        keys = "/v1/channels/main-stage/stream-keys"
        spare = (await scene.red.post(keys, json={"name": "spare encoder"})).json()
        assert spare["name"] == "spare encoder"
        rotated = (await scene.red.post(f"{keys}/{spare['id']}/rotate")).json()
        assert len({first, spare["secret"], rotated["secret"]}) == 3
        assert rotated["name"] == "spare encoder"
        assert problem(await scene.red.post(f"{keys}/{spare['id']}/rotate")) == (404, "stream_key_not_found")
        assert (await scene.red.delete(f"{keys}/{rotated['id']}")).status_code == 204
        (left,) = (await scene.red.get(keys)).json()["items"]
        assert left["name"] == "first"
        assert set(left) == {"id", "name", "input", "srt_encrypted", "created_at"}

    async def test_a_passphrase_is_shown_once_and_reaches_the_station(self, scene: Scene) -> None:
        await scene.create()
        keys = "/v1/channels/main-stage/stream-keys"
        (key,) = (await scene.red.get(keys)).json()["items"]
        secret = f"{keys}/{key['id']}/srt-passphrase"
        made = (await scene.red.put(secret, json={})).json()
        assert len(made["srt_passphrase"]) >= 20 and made["srt_encrypted"]
        chosen = (await scene.red.put(secret, json={"passphrase": "ten-chars!"})).json()
        assert chosen["srt_passphrase"] == "ten-chars!"
        (listed,) = (await scene.red.get(keys)).json()["items"]
        assert listed["srt_encrypted"] and "srt_passphrase" not in listed
        rotated = (await scene.red.post(f"{keys}/{key['id']}/rotate")).json()
        assert rotated["srt_encrypted"], "the encoder has to learn a new key only"
        async with scene.cloud.runtime.store.session() as session:
            seal = scene.cloud.runtime.get(PassphraseSeal)
            (plan,) = await read_plans(session, lambda channel_id: None, seal.read)
        ((digest, passphrase),) = plan.inputs[InputName.MAIN].srt_passphrases
        assert (digest, passphrase) == (key_sha256(rotated["secret"]), "ten-chars!")
        removed = await scene.red.delete(f"{keys}/{rotated['id']}/srt-passphrase")
        assert removed.status_code == 204
        assert not (await scene.red.get(keys)).json()["items"][0]["srt_encrypted"]

    @pytest.mark.parametrize("passphrase", ["nine-char", "x" * 80, "with a space", "天河天河天河天河天河"])
    async def test_a_passphrase_that_srt_could_not_use_is_refused(self, scene: Scene, passphrase: str) -> None:
        await scene.create()
        keys = "/v1/channels/main-stage/stream-keys"
        (key,) = (await scene.red.get(keys)).json()["items"]
        answer = await scene.red.put(f"{keys}/{key['id']}/srt-passphrase", json={"passphrase": passphrase})
        assert answer.status_code == 422

    async def test_a_bit_rate_limit_is_kept_within_reason(self, scene: Scene) -> None:
        await scene.create()
        changed = await scene.red.patch("/v1/channels/main-stage", json={"max_bitrate_bps": 8_000_000})
        assert changed.json()["max_bitrate_bps"] == 8_000_000
        assert (await scene.red.patch("/v1/channels/main-stage", json={"max_bitrate_bps": 1})).status_code == 422

    async def test_creating_a_key_may_be_repeated(self, scene: Scene) -> None:
        await scene.create()
        keys, headers = "/v1/channels/main-stage/stream-keys", {"Idempotency-Key": "k"}
        first, again = [(await scene.red.post(keys, json={}, headers=headers)).json() for _ in range(2)]
        assert first == again
        assert len((await scene.red.get(keys)).json()["items"]) == 2


class TestWatching:
    async def test_a_ticket_opens_one_space_for_getting_live_and_nothing_else(self, scene: Scene) -> None:
        channel = (await scene.create())["channel"]
        ticket = (await scene.red.post("/v1/channels/main-stage/watch")).json()
        space = f"live/{channel['id']}"
        assert (ticket["space"], ticket["broadcast"], ticket["state"]) == (space, "live", "offline")
        verifier = Verifier(scene.cloud.runtime.get(GrantKeys).jwks())
        grant = verifier.verify(ticket["grant"], space)
        assert (grant.root, grant.get, grant.put, grant.cluster) == (space, ("",), (), False)
        assert not grant.may_put("live")
        assert timedelta(0) < grant.expires_at - utc_now() <= timedelta(hours=1)
        assert abs(datetime.fromisoformat(ticket["expires_at"]) - grant.expires_at) < timedelta(seconds=1)
        assert grant.jti.startswith(scene.cloud.red.id)
        with pytest.raises(NotAllowed):
            verifier.verify(ticket["grant"], "live/ch_0000000000000000")
        with pytest.raises(NotAllowed):  # where the station's `src` is
            verifier.verify(ticket["grant"], f"ingest/{channel['id']}")

    async def test_edges_are_ranked_with_their_fingerprints(self, scene: Scene) -> None:
        await scene.create()
        watch = "/v1/channels/main-stage/watch"
        ticket = (await scene.red.post(watch, json={"viewer": "me", "region": "eu"})).json()
        assert [edge["rank"] for edge in ticket["edges"]] == [0, 1]
        assert {edge["url"] for edge in ticket["edges"]} == {"https://e1.test:4443", "https://e2.test:4443"}
        assert all(edge["certificate_sha256"] == ["ab" * 32] and edge["reason"] for edge in ticket["edges"])
        again = (await scene.red.post(watch, json={"viewer": "me", "region": "eu"})).json()
        assert again["edges"] == ticket["edges"]
        assert again["grant"] != ticket["grant"]
        for body in ({"viewer": "x" * 65}, {"viewer": ""}, {"region": "\u0000"}, {"who": "me"}):
            assert problem(await scene.red.post(watch, json=body))[0] == 422

    async def test_without_an_edge_it_says_so(self, scene: Scene) -> None:
        await scene.create()
        scene.hand.nodes = ()
        assert problem(await scene.red.post("/v1/channels/main-stage/watch")) == (503, "no_edge")

    @pytest.mark.parametrize("told", ["{", "[1]", '{"x": NaN}', "[" * 100_000], ids=["cut", "list", "nan", "deep"])
    async def test_a_ticket_is_good_whatever_a_transcoder_says_of_its_catalog(self, scene: Scene, told: str) -> None:
        channel = (await scene.create())["channel"]
        scene.hand.nodes = small_cloud(replace(transcoder(channel["id"], "n1"), metrics={"catalog": told}))
        answer = await scene.red.post("/v1/channels/main-stage/watch")
        assert (answer.status_code, answer.json().get("catalog")) == (200, None)

    async def test_anybody_watches_public_channels_and_learns_of_no_other(self, scene: Scene) -> None:
        await scene.create(slug="open", public=True)
        await scene.create(slug="closed")
        assert (await scene.anybody.post("/v1/public/red/open/watch")).status_code == 200
        refused = [
            await scene.anybody.post(f"/v1/public/{path}/watch")
            for path in ("red/closed", "red/none", "blue/open", "nobody/open")
        ]
        assert {problem(answer) for answer in refused} == {(404, "channel_not_found")}
        await scene.red.patch("/v1/channels/open", json={"public": False})
        assert problem(await scene.anybody.post("/v1/public/red/open/watch")) == (404, "channel_not_found")

    async def test_nodes_that_deliver_over_http_are_named_in_the_order_of_edges(self, scene: Scene) -> None:
        channel = (await scene.create(slug="open", public=True))["channel"]
        assert (await scene.red.post("/v1/channels/open/watch")).json()["hls"] == []
        assert problem(await scene.anybody.get("/v1/public/red/open/hls.m3u8")) == (503, "not_delivered")
        deliver_at_edges(scene.hand, e1=0.2, e2=0.1)
        ticket = (await scene.red.post("/v1/channels/open/watch", json={"viewer": "me"})).json()
        assert [one["node_id"] for one in ticket["hls"]] == [edge["node_id"] for edge in ticket["edges"]]
        path = f"/hls/{ticket['grant']}/{channel['id']}"
        first = ticket["hls"][0]
        assert first["url"] == f"http://{first['node_id']}.test:4445{path}/index.m3u8"
        assert first["dash_url"] == f"http://{first['node_id']}.test:4445{path}/manifest.mpd"
        deliver_at_edges(scene.hand, **{first["node_id"]: 0.95})
        ticket = (await scene.red.post("/v1/channels/open/watch", json={"viewer": "me"})).json()
        assert ticket["hls"][-1]["node_id"] == first["node_id"], "what is full comes last"

    @pytest.mark.parametrize(
        ("link", "leads_to"), [("hls.m3u8", "index.m3u8"), ("hls", "index.m3u8"), ("dash.mpd", "manifest.mpd")]
    )
    async def test_a_public_channel_has_links_for_plain_players(self, scene: Scene, link: str, leads_to: str) -> None:
        channel = (await scene.create(slug="open", public=True))["channel"]
        await scene.create(slug="closed")
        deliver_at_edges(scene.hand, e1=0.1, e2=0.1)
        answer = await scene.anybody.get(f"/v1/public/red/open/{link}")
        assert (answer.status_code, answer.headers["Cache-Control"]) == (307, "no-store")
        _, _, _, _, grant, channel_id, name = answer.headers["Location"].split("/")
        assert (channel_id, name) == (channel["id"], leads_to)
        space = f"live/{channel['id']}"
        granted = Verifier(scene.cloud.runtime.get(GrantKeys).jwks()).verify(grant, space)
        assert timedelta(hours=11) < granted.expires_at - utc_now() <= timedelta(hours=12), "a day's show"
        assert problem(await scene.anybody.get(f"/v1/public/red/closed/{link}")) == (404, "channel_not_found")

    async def test_one_address_cannot_ask_for_ever(self, scene: Scene) -> None:
        await scene.create(slug="open", public=True)
        for _ in range(200):
            answer = await scene.anybody.post("/v1/public/red/open/watch")
            if answer.status_code != 200:
                break
        assert problem(answer) == (429, "watched_too_often")
        assert int(answer.headers["Retry-After"]) >= 1
        elsewhere = await scene.cloud.client(address="198.51.100.7")
        assert (await elsewhere.post("/v1/public/red/open/watch")).status_code == 200
        assert (await scene.red.post("/v1/channels/open/watch")).status_code == 200


class TestShow:
    async def test_a_running_show_is_seen(self, scene: Scene) -> None:
        channel_id = (await scene.create())["channel"]["id"]
        running = small_cloud(
            station("n1", publishing=[channel_id]),
            transcoder(channel_id, "n1"),
            viewers_by_space={f"live/{channel_id}": 4},
        )
        scene.hand.nodes = running
        await scene.live.tick()
        channel = (await scene.red.get(f"/v1/channels/{channel_id}")).json()
        assert (channel["state"], channel["viewers"]) == ("live", 4)
        assert channel["input"]["height"] == 720
        assert [r["name"] for r in channel["renditions"]] == ["source", "480p", "270p"]

    async def test_a_source_that_browsers_cannot_decode_is_not_offered(self, scene: Scene) -> None:
        channel_id = (await scene.create())["channel"]["id"]
        ten_bit = station("n1", publishing=[channel_id], codec="avc3.6e001f")
        scene.hand.nodes = small_cloud(ten_bit, transcoder(channel_id, "n1"))
        await scene.live.tick()
        channel = (await scene.red.get(f"/v1/channels/{channel_id}")).json()
        assert [r["name"] for r in channel["renditions"]] == ["480p", "270p"]


class TestDrills:
    async def test_a_tenant_kills_its_own_transcoder_only(self, scene: Scene) -> None:
        channel_id = (await scene.create())["channel"]["id"]
        drill = f"/v1/channels/{channel_id}/drill"
        assert problem(await scene.red.post(drill, json={"stage": "transcoder"})) == (409, "nothing_to_kill")
        scene.hand.nodes = small_cloud(transcoder(channel_id, "n1"), transcoder("ch_other", "n1"))
        answer = await scene.red.post(drill, json={"stage": "transcoder"})
        assert answer.json()["killed"] == f"wl_transcoder_{channel_id}"
        assert scene.hand.killed == [f"wl_transcoder_{channel_id}"]
        for stage in ("edge", "origin", "station", "delivery"):
            assert problem(await scene.red.post(drill, json={"stage": stage})) == (403, "not_allowed")
        for body in ({}, {"stage": "api"}, {"stage": "edge", "edge_node_id": "../x"}):
            assert problem(await scene.red.post(drill, json=body))[0] == 422
        assert len(scene.hand.killed) == 1

    async def test_the_operator_kills_the_edge_it_names_or_the_busiest(self, scene: Scene) -> None:
        channel_id = (await scene.create(scene.operator))["channel"]["id"]
        scene.hand.nodes = small_cloud(viewers_by_space={f"live/{channel_id}": 4})
        drill = f"/v1/channels/{channel_id}/drill"
        await scene.operator.post(drill, json={"stage": "edge"})
        await scene.operator.post(drill, json={"stage": "edge", "edge_node_id": "e1"})
        await scene.operator.post(drill, json={"stage": "origin"})
        assert scene.hand.killed == ["wl_relay_e2", "wl_relay_e1", "wl_relay_n1"]
        unknown = await scene.operator.post(drill, json={"stage": "edge", "edge_node_id": "e9"})
        assert problem(unknown) == (409, "nothing_to_kill")

    async def test_the_runbook_says_what_runs_who_takes_over_and_what_may_be_tried(self, scene: Scene) -> None:
        channel_id = (await scene.create())["channel"]["id"]
        path = f"/v1/channels/{channel_id}/runbook"

        async def lines() -> dict[str, dict[str, Any]]:
            return {line["stage"]: line for line in (await scene.red.get(path)).json()["stages"]}

        assert not (await lines())["transcoder"]["running"]
        alone = transcoder(channel_id, "n1")
        scene.hand.nodes = small_cloud(alone)
        before = (await lines())["transcoder"]
        assert before == {
            "stage": "transcoder",
            "running": True,
            "protected": False,
            "goal_ms": 2500,
            "may_kill": True,
            "site": before["site"],
        }
        second = replace(alone, id="wl_standby", name=f"{alone.name}/standby")
        scene.hand.nodes = small_cloud(alone, second)
        after = await lines()
        assert (after["transcoder"]["protected"], after["transcoder"]["goal_ms"]) == (True, 500)
        assert after["standby"]["running"]
        assert after["edge"]["running"] and not after["edge"]["may_kill"]
        assert after["edge"]["site"] is None, "where others' shows run is the operator's to know"
        assert (await scene.red.post(f"/v1/channels/{channel_id}/drill", json={"stage": "standby"})).is_success
        assert scene.hand.killed == ["wl_standby"]

    async def test_of_two_origins_the_one_that_sends_the_channels_pictures_is_killed(self, scene: Scene) -> None:
        channel_id = (await scene.create(scene.operator))["channel"]["id"]
        busy = {f"live/{channel_id}": 900_000, "live/ch_other": 1}
        scene.hand.nodes = (
            node("n1", "core", relay("origin", "n1", egress_by_space={"live/ch_other": 5_000_000})),
            node("n2", "core", relay("origin", "n2", egress_by_space=busy)),
        )
        await scene.operator.post(f"/v1/channels/{channel_id}/drill", json={"stage": "origin"})
        assert scene.hand.killed == ["wl_relay_n2"]
