"""Publish tickets over HTTP, and what planning makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from skyriver.fabric.grants import Verifier
from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import NotAuthenticated
from skyriver.platform.alarms.part import PART as ALARMS
from skyriver.platform.fabric_keys import GrantKeys
from skyriver.platform.fabric_keys.part import PART as FABRIC_KEYS
from skyriver.platform.store import Store
from skyriver.services.live.contributions import TICKETS_PER_CHANNEL_MAX
from skyriver.services.live.intents import read_plans
from skyriver.services.live.manifest import live_service
from skyriver.services.live.records import PublishTicketRecord
from tests.clouds import Cloud, open_cloud
from tests.services.live.hand_cloud import HandCloud, small_cloud

PATH = "/v1/channels/main-stage/publish-ticket"


class Scene:
    def __init__(self, cloud: Cloud, hand: HandCloud, owner: httpx.AsyncClient) -> None:
        self.cloud, self.hand, self.owner = cloud, hand, owner

    async def planned(self) -> tuple[tuple[str, str], ...]:
        """The tickets that planning sees."""
        async with self.cloud.store.session() as session:
            (plan,) = await read_plans(session, lambda _channel_id: None)
        return plan.tickets


@pytest.fixture
async def scene(store: Store, tmp_path: Path) -> AsyncIterator[Scene]:
    hand = HandCloud(small_cloud())
    services = (live_service(lambda _: hand),)
    async with open_cloud(store, tmp_path, parts=(FABRIC_KEYS, ALARMS), services=services) as cloud:
        owner = await cloud.as_(cloud.red)
        assert (await owner.post("/v1/channels", json={"name": "Main Stage"})).status_code == 201
        yield Scene(cloud, hand, owner)


async def test_a_ticket_lets_a_browser_put_its_own_broadcast_and_nothing_else(scene: Scene) -> None:
    plans = scene.hand.plans
    answer = await scene.owner.post(PATH)
    assert answer.status_code == 200, answer.text
    ticket = answer.json()
    verifier = Verifier(scene.cloud.runtime.get(GrantKeys).jwks())
    grant = verifier.verify(ticket["grant"], ticket["space"])
    assert ticket["space"] == f"ingest/{ticket['channel_id']}"
    assert grant.put == (ticket["broadcast"],) == (f"contrib/{ticket['id']}",)
    assert grant.get == () and not grant.cluster
    assert (
        grant.expires_at.isoformat() == datetime.fromisoformat(ticket["expires_at"]).replace(microsecond=0).isoformat()
    )
    assert [origin["url"] for origin in ticket["origins"]] == ["https://n1.test:4443"]
    assert await scene.planned() == ((ticket["id"], "main"),)
    assert scene.hand.plans > plans  # the station is told at once


async def test_renewing_keeps_the_broadcast_and_gives_more_time(scene: Scene) -> None:
    first = (await scene.owner.post(PATH, json={"input": "backup"})).json()
    again = (await scene.owner.post(PATH, json={"renews": first["id"]})).json()
    assert (again["id"], again["broadcast"]) == (first["id"], first["broadcast"])
    assert again["grant"] != first["grant"]
    assert await scene.planned() == ((first["id"], "backup"),)
    gone = await scene.owner.post(PATH, json={"renews": "pt_0000000000000000"})
    assert gone.status_code == 404


async def test_a_revoked_ticket_is_denied_at_relays_and_forgotten_by_the_station(scene: Scene) -> None:
    ticket = (await scene.owner.post(PATH)).json()
    renewed = (await scene.owner.post(PATH, json={"renews": ticket["id"]})).json()
    assert (await scene.owner.delete(f"{PATH}/{ticket['id']}")).status_code == 204
    assert (await scene.owner.delete(f"{PATH}/{ticket['id']}")).status_code == 404
    assert await scene.planned() == ()
    keys = scene.cloud.runtime.get(GrantKeys)
    await keys.refresh_denied()
    for grant in (ticket["grant"], renewed["grant"]):
        with pytest.raises(NotAuthenticated, match="revoked"):
            keys.verifier.verify(grant, ticket["space"])
    another = (await scene.owner.post(PATH)).json()
    keys.verifier.verify(another["grant"], ticket["space"])


async def test_a_deleted_channels_grants_open_nothing_any_more(scene: Scene) -> None:
    ticket = (await scene.owner.post(PATH)).json()
    watching = (await scene.owner.post("/v1/channels/main-stage/watch")).json()
    assert (await scene.owner.delete("/v1/channels/main-stage")).status_code == 204
    keys = scene.cloud.runtime.get(GrantKeys)
    await keys.refresh_denied()
    for held in (ticket, watching):
        with pytest.raises(NotAuthenticated, match="revoked"):
            keys.verifier.verify(held["grant"], held["space"])


async def test_an_expired_ticket_is_worth_nothing_and_makes_room(scene: Scene) -> None:
    for _ in range(TICKETS_PER_CHANNEL_MAX):
        assert (await scene.owner.post(PATH)).status_code == 200
    assert (await scene.owner.post(PATH)).status_code == 409
    async with scene.cloud.store.transaction() as session:
        for row in await session.scalars(select(PublishTicketRecord)):
            row.expires_at = utc_now() - timedelta(seconds=1)
    assert await scene.planned() == ()
    assert (await scene.owner.post(PATH)).status_code == 200
    assert len(await scene.planned()) == 1


async def test_without_a_relay_there_is_no_ticket(scene: Scene) -> None:
    scene.hand.nodes = ()
    answer = await scene.owner.post(PATH)
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (503, "no_origin")
