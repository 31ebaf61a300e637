"""Usage facts on both databases: once, whole, and only what is plausible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from skyriver.platform.ledger import BadFact, read_fact, store_facts, sum_usage
from skyriver.platform.store import Store
from tests.clouds import Cloud

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def body(seq: int = 0, **other: Any) -> dict[str, Any]:
    noon_us = int(NOON.timestamp() * 1e6)
    return {
        "source": "session",
        "seq": seq,
        "space": "live/ch_1",
        "jti": "ten_red.x",
        "bytes_sent": 100_000,
        "bytes_received": 1,
        "from_us": noon_us + seq * 5_000_000,
        "to_us": noon_us + (seq + 1) * 5_000_000,
        "final": False,
        **other,
    }


def facts(*bodies: dict[str, Any]) -> list[Any]:
    return [read_fact(b, node_id="nd_1", site_id="site_1") for b in bodies]


async def test_facts_are_stored_once_however_often_they_come(store: Store) -> None:
    some = facts(*(body(seq) for seq in range(1200)))
    async with store.transaction() as session:
        assert await store_facts(session, [*some[:700], *some[:10]]) == 700
    async with store.transaction() as session:
        assert await store_facts(session, some) == 500
        assert await store_facts(session, []) == 0
    async with store.session() as session:
        (line,) = await sum_usage(session, since=NOON, until=NOON + timedelta(hours=2), by="space")
    assert (line.key, line.bytes_sent, line.bytes_received, line.sessions) == ("live/ch_1", 120_000_000, 1200, 1)


async def test_a_standby_is_billed_its_bytes_and_is_no_session(store: Store) -> None:
    standby = facts(*(body(n, source="standby", bytes_sent=9_000 if n == 0 else 600) for n in range(4)))
    async with store.transaction() as session:
        await store_facts(session, [*standby, *facts(body(0, source="viewer", bytes_sent=70_000))])
    async with store.session() as session:
        (line,) = await sum_usage(session, since=NOON, until=NOON + timedelta(hours=2), by="space")
    assert (line.bytes_sent, line.sessions) == (9_000 + 3 * 600 + 70_000, 1)


async def test_sums_by_tenant_space_site_and_time(store: Store) -> None:
    async with store.transaction() as session:
        await store_facts(
            session,
            facts(
                body(0, source="a"),
                body(0, source="b", jti="ten_blue.y", bytes_sent=1 << 40),
                body(0, source="c", jti="-.z", space="live/ch_2"),
                body(999, source="late"),
            ),
        )
    until = NOON + timedelta(minutes=1)
    async with store.session() as session:
        by_tenant = await sum_usage(session, since=NOON, until=until, by="tenant")
        sums = [(s.key, s.bytes_sent) for s in by_tenant]
        assert sums[0] == ("ten_blue", 1 << 40)  # the largest first; the other two are alike
        assert set(sums[1:]) == {("ten_red", 100_000), (None, 100_000)}
        red = await sum_usage(session, since=NOON, until=until, by="space", tenant_id="ten_red")
        assert [(s.key, s.bytes_sent) for s in red] == [("live/ch_1", 100_000)]
        site = await sum_usage(session, since=NOON, until=until, by="site", space="live/ch_2")
        assert [(s.key, s.sessions) for s in site] == [("site_1", 1)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": ""},
        {"source": "x" * 201},
        {"seq": -1},
        {"seq": "1"},
        {"seq": True},
        {"bytes_sent": 1 << 61},
        {"bytes_sent": None},
        {"bytes_received": 0.5},
        {"from_us": 1 << 62},
        {"to_us": 0},
        {"space": 7},
    ],
)
def test_what_is_no_fact_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadFact, match="nd_1"):
        facts({**body(), **wrong})


async def test_tenants_see_their_own_usage_and_operators_everybodys(cloud: Cloud) -> None:
    async with cloud.store.transaction() as session:
        await store_facts(
            session,
            facts(
                body(0, source="r", jti=f"{cloud.red.id}.1"),
                body(0, source="b", jti=f"{cloud.blue.id}.1", space="live/ch_blue"),
                body(0, source="p", jti="-.1"),
            ),
        )
    span = {"since": NOON.isoformat(), "until": (NOON + timedelta(hours=1)).isoformat()}
    red, operator = await cloud.as_(cloud.red), await cloud.as_(cloud.operator)
    mine = (await red.get("/v1/usage", params=span)).json()
    assert [(line["key"], line["bytes_sent"]) for line in mine["items"]] == [("live/ch_1", 100_000)]
    assert (await red.get("/v1/usage", params={**span, "space": "live/ch_blue"})).json()["items"] == []
    assert (await red.get("/v1/usage", params={**span, "tenant_id": cloud.blue.id})).status_code == 403
    everything = (await operator.get("/v1/usage", params={**span, "by": "tenant"})).json()
    assert {line["key"] for line in everything["items"]} == {cloud.red.id, cloud.blue.id, None}
    backwards = await red.get("/v1/usage", params={"since": span["until"], "until": span["since"]})
    assert (backwards.status_code, backwards.json()["hint"]) == (422, "Exchange them.")
