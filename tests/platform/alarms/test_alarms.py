"""Alarms in the store, on both databases: idempotent, counted, taken over after a restart, told to their tenant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from skyriver.platform.alarms import AlarmDesk, Condition, Severity, Subject, clear_alarm, raise_alarm
from skyriver.platform.alarms.alarms import KEPT, forget_old
from skyriver.platform.alarms.records import AlarmRecord
from skyriver.platform.identity import Principal
from skyriver.platform.store import Store
from skyriver.platform.web.events import EventHub
from tests.clouds import Cloud

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def black(tenant_id: str, channel_id: str = "ch_1") -> Condition:
    return Condition(
        tenant_id,
        "black",
        Severity.CRITICAL,
        Subject("channel", channel_id, "Stage"),
        "The picture is black.",
        "Look at the camera.",
    )


async def rows(store: Store) -> list[AlarmRecord]:
    async with store.session() as session:
        return list((await session.scalars(select(AlarmRecord).order_by(AlarmRecord.id))).all())


async def test_raising_twice_is_raising_once_and_an_early_return_counts(cloud: Cloud) -> None:
    condition = black(cloud.red.id)
    async with cloud.store.transaction() as session:
        first = await raise_alarm(session, "test", condition, NOON)
        assert first is not None
        assert await raise_alarm(session, "test", condition, NOON + timedelta(seconds=1)) is None
        first.acknowledged_at, first.acknowledged_by = NOON, "us_1"
    async with cloud.store.transaction() as session:
        assert (await clear_alarm(session, condition.key, NOON + timedelta(minutes=1))) is not None
        assert await clear_alarm(session, condition.key, NOON + timedelta(minutes=1)) is None
    async with cloud.store.transaction() as session:
        again = await raise_alarm(session, "test", condition, NOON + timedelta(minutes=2))
        assert again is not None and (again.id, again.count, again.raised_at) == (first.id, 2, NOON)
        assert again.acknowledged_at is None, "whoever took it on is asked again"
        await clear_alarm(session, condition.key, NOON + timedelta(minutes=3))
    async with cloud.store.transaction() as session:
        late = await raise_alarm(session, "test", condition, NOON + timedelta(minutes=30))
        assert late is not None and late.id != first.id and late.count == 1


async def test_an_alarm_of_a_tenant_that_is_gone_is_no_error(store: Store) -> None:
    async with store.transaction() as session:
        assert await raise_alarm(session, "test", black("ten_0000000000000000"), NOON) is None
    assert await rows(store) == []


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def test_a_restarted_process_takes_over_what_it_left_open_and_clears_what_is_over(cloud: Cloud) -> None:
    held, over = black(cloud.red.id, "ch_1"), black(cloud.red.id, "ch_2")
    before = AlarmDesk(cloud.store, EventHub(), now=lambda: NOON)
    await before.source("test").look([held, over])
    await before.source("other").look([replace(held, kind="silence")])

    clock = Clock()
    after = AlarmDesk(cloud.store, EventHub(), now=lambda: NOON, monotonic=clock)
    source = after.source("test")
    await source.look([held])
    assert len([row for row in await rows(cloud.store) if row.open_key]) == 3
    clock.seconds = 60.0
    await source.look([held])
    assert {(row.kind, row.subject_id) for row in await rows(cloud.store) if row.open_key} == {
        ("black", "ch_1"),
        ("silence", "ch_1"),
    }


async def test_an_alarm_that_could_not_be_written_is_written_later(store: Store, cloud: Cloud) -> None:
    desk = AlarmDesk(store, EventHub(), now=lambda: NOON)
    source = desk.source("test")
    await source.look([])
    broken = Store("sqlite:////nowhere/at/all.db")
    desk._store = broken
    await source.look([black(cloud.red.id)])
    assert await rows(store) == []
    desk._store = store
    await source.look([black(cloud.red.id)])
    assert len(await rows(store)) == 1
    await broken.close()


async def test_only_its_tenant_hears_of_it(cloud: Cloud) -> None:
    def reader(tenant_id: str) -> Principal:
        return Principal("user", "us_1", tenant_id, "viewer")

    hub = EventHub()
    red, blue = hub.subscribe(reader(cloud.red.id)), hub.subscribe(reader(cloud.blue.id))
    await AlarmDesk(cloud.store, hub).source("test").look([black(cloud.red.id)])
    assert (red.waiting, blue.waiting) == (1, 0)
    assert (await red.next(1.0) or b"").startswith(b"event: alarm\n")


async def test_old_alarms_are_forgotten_and_open_ones_never(cloud: Cloud) -> None:
    async with cloud.store.transaction() as session:
        await raise_alarm(session, "test", black(cloud.red.id, "ch_open"), NOON)
        await raise_alarm(session, "test", black(cloud.red.id, "ch_closed"), NOON)
        await clear_alarm(session, black(cloud.red.id, "ch_closed").key, NOON)
    for later, left in ((KEPT - timedelta(days=1), 2), (KEPT + timedelta(days=1), 1)):
        async with cloud.store.transaction() as session:
            await forget_old(session, NOON + later)
            assert await session.scalar(select(func.count()).select_from(AlarmRecord)) == left


async def test_listing_filtering_and_acknowledging_over_the_api(cloud: Cloud) -> None:
    desk = cloud.runtime.get(AlarmDesk)
    warning = replace(black(cloud.red.id), kind="loudness", severity=Severity.WARNING)
    source = desk.source("test")
    await source.look([black(cloud.red.id), black(cloud.red.id, "ch_2"), warning])
    await source.look([black(cloud.red.id), warning])
    red = await cloud.as_(cloud.red, "member")

    async def listed(**query: str) -> list[tuple[str, str]]:
        answer = await red.get("/v1/alarms", params=query)
        assert answer.status_code == 200, answer.text
        return [(item["kind"], item["subject"]["id"]) for item in answer.json()["items"]]

    assert sorted(await listed()) == [("black", "ch_1"), ("loudness", "ch_1")]
    assert await listed(severity="warning") == [("loudness", "ch_1")]
    assert await listed(kind="black") == [("black", "ch_1")]
    assert await listed(state="cleared") == [("black", "ch_2")]
    assert await listed(state="all", subject_id="ch_2") == [("black", "ch_2")]
    first = (await red.get("/v1/alarms", params={"limit": 1})).json()
    second = (await red.get("/v1/alarms", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert first["items"][0]["id"] > second["items"][0]["id"] and second["next_cursor"] is None

    alarm_id = first["items"][0]["id"]
    done = await red.post(f"/v1/alarms/{alarm_id}/acknowledge")
    assert done.status_code == 200 and done.json()["acknowledged_by"].startswith("key_")
    again = await (await cloud.as_(cloud.red, "owner")).post(f"/v1/alarms/{alarm_id}/acknowledge")
    assert again.json() == done.json(), "the first one counts"
    assert len(await listed(acknowledged="true")) == len(await listed(acknowledged="false")) == 1
    assert (await (await cloud.as_(cloud.red, "viewer")).post(f"/v1/alarms/{alarm_id}/acknowledge")).status_code == 403
    assert (await (await cloud.as_(cloud.blue)).get(f"/v1/alarms/{alarm_id}")).status_code == 404
