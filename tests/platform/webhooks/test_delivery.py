"""Deliveries on both databases: the outbox, retries, dead letters, disabling, redelivery, over the real API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from skyriver.apps.api.composition import PARTS, SERVICES
from skyriver.platform.alarms import AlarmDesk
from skyriver.platform.alarms.records import AlarmRecord
from skyriver.platform.manifest import Part
from skyriver.platform.store import Store
from skyriver.platform.web.events import EventHub
from skyriver.platform.webhooks import publish_event
from skyriver.platform.webhooks.addresses import shown_url
from skyriver.platform.webhooks.delivery import IN_FLIGHT, KEPT, PER_TENANT, DeliveryWorker
from skyriver.platform.webhooks.model import DISABLE_AFTER_FAILURES, signature
from skyriver.platform.webhooks.records import WebhookDeliveryRecord, WebhookEventRecord
from skyriver.platform.webhooks.sending import Sender
from skyriver.platform.webhooks.service import WebhookSeal
from tests.clouds import Cloud, open_cloud
from tests.platform.webhooks.receiver import Receiver, receiving


class Desk:
    """The worker of a test, driven by hand at times of its own; the cloud's own one does not run."""

    def __init__(self, store: Store, folder: Path) -> None:
        # Ahead of the rows, which the API stamps with the real time.
        self.now = self.began = datetime.now(UTC) + timedelta(minutes=5)
        self.sender = Sender(allow_private=True, timeout_s=5.0, now=lambda: self.now)
        seal = WebhookSeal(folder / "secrets" / "webhook-seal.key")
        self.worker = DeliveryWorker(
            store,
            seal,
            self.sender,
            AlarmDesk(store, EventHub()),
            now=lambda: self.now,
            jitter=lambda: 0.5,
        )

    async def deliver(self, *, later: timedelta = timedelta(0)) -> int:
        self.now += later
        return await self.worker.deliver_due()


def without_components(part: Part) -> Part:
    """A part whose routes work and whose components do not run: the test drives them."""

    @asynccontextmanager
    async def open_(runtime: Any) -> AsyncIterator[list[Any]]:
        assert part.open is not None
        async with part.open(runtime):
            yield []

    return Part(part.name, part.routers, open_)


@pytest.fixture
async def cloud(store: Store, tmp_path: Path) -> AsyncIterator[Cloud]:
    parts = [without_components(part) if part.name == "webhooks" else part for part in PARTS]
    async with open_cloud(store, tmp_path, parts=parts, services=SERVICES) as cloud:
        yield cloud


@pytest.fixture
async def desk(cloud: Cloud, tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(cloud.store, tmp_path)
    yield desk
    await desk.sender.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


async def make(client: httpx.AsyncClient, receiver: Receiver, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/v1/webhooks", json={"name": "Mine", "url": receiver.url(), **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def publish(store: Store, tenant_id: str, kind: str = "alarm.raised", **data: Any) -> None:
    async with store.transaction() as session:
        await publish_event(session, tenant_id, kind, data)


async def deliveries(client: httpx.AsyncClient, webhook: dict[str, Any], **query: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/webhooks/{webhook['id']}/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_an_event_is_delivered_once_signed_with_the_secret_that_was_shown(
    cloud: Cloud, desk: Desk, receiver: Receiver
) -> None:
    red = await cloud.as_(cloud.red)
    webhook = await make(red, receiver)
    await publish(cloud.store, cloud.red.id, severity="critical")
    assert await desk.deliver() == 1 and await desk.deliver(later=timedelta(hours=2)) == 0
    (request,) = receiver.requests
    message = json.loads(request.body)
    assert (message["type"], message["data"]) == ("alarm.raised", {"severity": "critical"})
    id_, timestamp = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
    assert request.headers["webhook-signature"] == signature(webhook["secret"], id_, timestamp, request.body)
    (delivery,) = await deliveries(red, webhook)
    assert (delivery["state"], delivery["attempts"], delivery["last_status"]) == ("delivered", 1, 200)
    assert "secret" not in (await red.get(f"/v1/webhooks/{webhook['id']}")).json()


async def test_only_what_is_committed_and_wanted_by_the_same_tenant_is_sent(
    cloud: Cloud, desk: Desk, receiver: Receiver
) -> None:
    await make(await cloud.as_(cloud.red), receiver, event_types=["alarm.raised"])
    await publish(cloud.store, cloud.red.id, "alarm.cleared")
    await publish(cloud.store, cloud.blue.id, "alarm.raised")
    with pytest.raises(RuntimeError):
        async with cloud.store.transaction() as session:
            await publish_event(session, cloud.red.id, "alarm.raised", {})
            raise RuntimeError("the fact did not come to be")
    assert await desk.deliver() == 0
    async with cloud.store.session() as session:
        assert (await session.scalars(select(WebhookEventRecord))).all() == [], "nobody listens: nothing is written"


async def test_failures_are_tried_again_later_and_later_and_after_a_day_never(
    cloud: Cloud, desk: Desk, receiver: Receiver
) -> None:
    red = await cloud.as_(cloud.red)
    webhook = await make(red, receiver)
    receiver.status, receiver.answer = 503, b"come back later"
    await publish(cloud.store, cloud.red.id)
    gaps: list[float] = []
    while (await deliveries(red, webhook))[0]["state"] == "pending":
        before = desk.now
        while await desk.deliver(later=timedelta(seconds=1 if not gaps else 5)) == 0:
            desk.now += timedelta(seconds=gaps[-1] * 0.5 if gaps else 0)
        gaps.append((desk.now - before).total_seconds())
    (dead,) = await deliveries(red, webhook, state="dead")
    assert (dead["last_status"], dead["last_error"]) == (503, "come back later")
    assert 10 <= dead["attempts"] <= 16
    assert desk.now - desk.began < timedelta(hours=25)
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1, "its id stays the same"
    assert await desk.deliver(later=timedelta(days=1)) == 0


async def test_an_attempt_that_died_with_its_process_is_made_again(
    cloud: Cloud, desk: Desk, receiver: Receiver
) -> None:
    await make(await cloud.as_(cloud.red), receiver)
    await publish(cloud.store, cloud.red.id)
    assert len(await desk.worker._claim()) == 1  # and then nothing more was heard of that process
    assert await desk.deliver() == 0
    assert await desk.deliver(later=timedelta(minutes=2)) == 1
    assert len(receiver.requests) == 1


async def test_two_processes_share_the_work(cloud: Cloud, desk: Desk, receiver: Receiver, tmp_path: Path) -> None:
    other = Desk(cloud.store, tmp_path)
    await make(await cloud.as_(cloud.red), receiver)
    await publish(cloud.store, cloud.red.id)
    first, second = await desk.worker._claim(), await other.worker._claim()
    assert (len(first), len(second)) == (1, 0)
    await other.sender.close()


async def test_a_receiver_that_fails_for_long_is_disabled_with_an_alarm_and_can_be_taken_back(
    cloud: Cloud, desk: Desk, receiver: Receiver
) -> None:
    red = await cloud.as_(cloud.red)
    webhook = await make(red, receiver)
    path = f"/v1/webhooks/{webhook['id']}"
    receiver.status = 500
    for number in range(DISABLE_AFTER_FAILURES + 1):
        await publish(cloud.store, cloud.red.id, number=number)
        await desk.deliver(later=timedelta(hours=1))
        await desk.worker.look_for_alarms()
    shown = (await red.get(path)).json()
    assert not shown["enabled"] and "in a row failed" in shown["disabled_reason"]
    async with cloud.store.session() as session:
        open_kinds = {
            a.kind for a in await session.scalars(select(AlarmRecord).where(AlarmRecord.open_key.is_not(None)))
        }
    assert open_kinds == {"webhook_disabled"}
    missed = await deliveries(red, webhook, state="dead")
    assert missed and await deliveries(red, webhook, state="pending") == []
    assert (await red.post(f"{path}/deliveries/{missed[0]['id']}/redeliver")).status_code == 409
    assert (await red.post(f"{path}/test")).status_code == 409

    receiver.status = 200
    assert (await red.patch(path, json={"enabled": True})).json()["failures"] == 0
    again = await red.post(f"{path}/deliveries/{missed[0]['id']}/redeliver")
    assert again.status_code == 202 and again.json()["state"] == "pending"
    assert await desk.deliver() == 1
    assert receiver.requests[-1].headers["webhook-id"] == missed[0]["event_id"]
    await desk.worker.look_for_alarms()
    async with cloud.store.session() as session:
        assert all(a.open_key is None for a in await session.scalars(select(AlarmRecord)))


async def test_a_receiver_that_says_gone_is_disabled_at_once(cloud: Cloud, desk: Desk, receiver: Receiver) -> None:
    red = await cloud.as_(cloud.red)
    webhook = await make(red, receiver)
    receiver.status = 410
    await publish(cloud.store, cloud.red.id)
    await publish(cloud.store, cloud.red.id)
    await desk.deliver()
    shown = (await red.get(f"/v1/webhooks/{webhook['id']}")).json()
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "The receiver answered 410 (gone).")
    assert await desk.deliver(later=timedelta(hours=1)) == 0


async def test_the_test_button_a_new_secret_and_the_list_of_events(
    cloud: Cloud, desk: Desk, receiver: Receiver
) -> None:
    red = await cloud.as_(cloud.red)
    webhook = await make(red, receiver, event_types=["alarm.cleared"])
    path = f"/v1/webhooks/{webhook['id']}"
    secret = (await red.post(f"{path}/rotate-secret")).json()["secret"]
    assert secret != webhook["secret"]
    assert (await red.post(f"{path}/test")).json()["event_type"] == "webhook.test"
    assert await desk.deliver() == 1
    (request,) = receiver.requests
    timestamp = int(request.headers["webhook-timestamp"])
    signed = signature(secret, request.headers["webhook-id"], timestamp, request.body)
    assert request.headers["webhook-signature"] == signed
    names = {item["name"] for item in (await red.get("/v1/webhook-events")).json()["items"]}
    assert {"alarm.raised", "alarm.cleared"} <= names
    wrong = await red.post("/v1/webhooks", json={"name": "x", "url": receiver.url(), "event_types": ["alarm.risen"]})
    assert (wrong.status_code, "alarm.risen" in wrong.json()["detail"]) == (422, True)
    bad = await red.patch(path, json={"url": "ftp://nowhere.test"})
    assert bad.status_code == 422
    assert (await (await cloud.as_(cloud.red, "member")).get("/v1/webhooks")).status_code == 403


async def test_the_audit_log_has_no_more_of_a_url_than_says_where_it_leads(cloud: Cloud) -> None:
    """Chat services put the secret into the path."""
    red = await cloud.as_(cloud.red)
    url = "https://hooks.test/services/T00/s3cret"
    made = (await red.post("/v1/webhooks", json={"name": "Mine", "url": url})).json()
    await red.patch(f"/v1/webhooks/{made['id']}", json={"url": f"{url}?token=t0ken"})
    await red.delete(f"/v1/webhooks/{made['id']}")
    log = (await red.get("/v1/audit")).text
    assert "s3cret" not in log and "t0ken" not in log
    assert log.count("https://hooks.test/services/…") == 3


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.test", "https://hooks.test/"),
        ("https://hooks.test/", "https://hooks.test/"),
        ("https://hooks.test/s3cret", "https://hooks.test/…"),
        ("https://hooks.test:8443/?key=s3cret", "https://hooks.test:8443/…"),
        ("http://hooks.test/services/s3cret", "http://hooks.test/services/…"),
        ("https://hooks.test/a-first-word-that-is-long/x", "https://hooks.test/…"),
    ],
)
def test_a_shown_url_ends_before_anything_that_may_be_secret(url: str, shown: str) -> None:
    assert shown_url(url) == shown


async def test_old_events_are_forgotten_with_their_deliveries(cloud: Cloud, desk: Desk, receiver: Receiver) -> None:
    await make(await cloud.as_(cloud.red), receiver)
    await publish(cloud.store, cloud.red.id)
    desk.now += KEPT + timedelta(days=1)
    await desk.worker.forget_old()
    async with cloud.store.session() as session:
        assert (await session.scalars(select(WebhookDeliveryRecord))).all() == []


async def test_a_tenant_with_much_to_tell_leaves_room_for_the_others(
    cloud: Cloud, desk: Desk, receiver: Receiver
) -> None:
    red, blue = await cloud.as_(cloud.red), await cloud.as_(cloud.blue)
    for _ in range(PER_TENANT):
        await make(red, receiver)
    theirs = await make(blue, receiver)
    for _ in range(IN_FLIGHT):
        await publish(cloud.store, cloud.red.id)
    await publish(cloud.store, cloud.blue.id)
    assert await desk.deliver() == PER_TENANT + 1
    assert [delivery["state"] for delivery in await deliveries(blue, theirs)] == ["delivered"]
