"""What players tell: tokens, bounds, histograms, minutes; over the real API, on both databases."""

from __future__ import annotations

import json
import statistics
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyriver.kernel.ids import new_id
from skyriver.platform.alarms.part import PART as ALARMS
from skyriver.platform.fabric_keys.part import PART as FABRIC_KEYS
from skyriver.platform.store import Store
from skyriver.services.live.eyes import histogram
from skyriver.services.live.eyes.beacons import (
    TOKEN_GRACE,
    BadBeaconToken,
    Beacon,
    BeaconAllowance,
    BeaconsTooOften,
    BeaconTokens,
)
from skyriver.services.live.eyes.rollup import KEPT, KEYS_MAX, QoeQuery, QoeRollup, read_qoe
from skyriver.services.live.manifest import live_service
from tests.clouds import Cloud, open_cloud
from tests.services.live.hand_cloud import HandCloud, small_cloud

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
TOKENS = BeaconTokens(b"k" * 32)


def test_a_token_opens_its_own_channel_until_shortly_after_its_ticket() -> None:
    channel_id = new_id("ch")
    token = TOKENS.make(channel_id, NOON)
    assert TOKENS.channel_of(token, NOON) == channel_id
    assert TOKENS.channel_of(token, NOON + TOKEN_GRACE) == channel_id
    with pytest.raises(BadBeaconToken):
        TOKENS.channel_of(token, NOON + TOKEN_GRACE + timedelta(seconds=1))
    with pytest.raises(BadBeaconToken):
        BeaconTokens(b"x" * 32).channel_of(token, NOON)


@given(st.text(max_size=100))
def test_nothing_else_is_a_token(text: str) -> None:
    mine = TOKENS.make("ch_0123456789abcdef", NOON)
    other = mine.replace("ch_0", "ch_1")
    later = mine.replace(f".{int((NOON + TOKEN_GRACE).timestamp())}.", ".9999999999.")
    for forged in (text, other, later, mine + text if text else "", f"{text}.{mine}" if text else ""):
        with pytest.raises(BadBeaconToken):
            TOKENS.channel_of(forged, NOON)


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=300), st.sampled_from([0.5, 0.95]))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[int], share: float) -> None:
    counts = histogram.empty()
    for value in values:
        counts[histogram.bucket_of(value)] += 1
    told = histogram.quantile_ms(counts, share)
    true = sorted(values)[max(0, -(-int(share * len(values) * 1000) // 1000) - 1)]
    assert told is not None
    bounds = (0, *histogram.BOUNDS_MS)
    bucket = histogram.bucket_of(true)
    near = bounds[max(0, bucket - 1)], bounds[min(bucket + 2, len(bounds) - 1)]
    assert near[0] <= told <= near[1]


def test_a_quantile_of_nothing_is_none_and_the_last_bucket_is_open() -> None:
    counts = histogram.empty()
    assert histogram.quantile_ms(counts, 0.5) is None
    counts[-1] = 3
    assert histogram.quantile_ms(counts, 0.5) == histogram.BOUNDS_MS[-1]


# --- over the API -----------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(second=5, microsecond=0)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def cloud(store: Store, tmp_path: Path, clock: Clock) -> AsyncIterator[Cloud]:
    hand = HandCloud(small_cloud())
    service = live_service(lambda _runtime: hand)
    async with open_cloud(store, tmp_path, parts=(FABRIC_KEYS, ALARMS), services=(service,), now=clock) as cloud:
        yield cloud


async def ticket_of(client: httpx.AsyncClient, slug: str = "stage") -> dict[str, Any]:
    await client.post("/v1/channels", json={"name": "Stage", "slug": slug, "public": True})
    answer = await client.post(f"/v1/channels/{slug}/watch")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def tell(client: httpx.AsyncClient, token: str, **beacon: Any) -> httpx.Response:
    """As `navigator.sendBeacon` does it: text/plain, no credential."""
    body = json.dumps({"token": token, **beacon})
    return await client.post("/v1/public/beacons", content=body, headers={"content-type": "text/plain;charset=UTF-8"})


async def test_beacons_add_up_to_minutes_sites_and_quantiles(cloud: Cloud, clock: Clock) -> None:
    red, anybody = await cloud.as_(cloud.red), await cloud.client()
    ticket = await ticket_of(red)
    token, edge = ticket["beacon_token"], ticket["edges"][0]
    for startup_ms in (120, 180, 900):
        answer = await tell(
            anybody,
            token,
            first=True,
            startup_ms=startup_ms,
            latency_ms=240,
            watched_ms=30_000,
            protocol="moq",
            rendition="480p",
            edge_node_id=edge["node_id"],
        )
        assert answer.status_code == 204, answer.text
    clock.now += timedelta(minutes=1)
    await tell(anybody, token, watched_ms=20_000, rebuffers=2, rebuffer_ms=10_000, protocol="hls", edge_node_id="nd_x")
    rollup = cloud.runtime.get(QoeRollup)
    await rollup.write()
    await tell(anybody, token, watched_ms=10_000, errors=1, protocol="hls")
    await rollup.write()
    qoe = (await red.get("/v1/channels/stage/qoe")).json()
    total = qoe["total"]
    assert (total["viewings"], total["watched_s"], total["rebuffers"], total["errors"]) == (3, 120.0, 2, 1)
    assert total["rebuffer_share"] == round(10 / 130, 4)
    assert 100 <= total["startup_p50_ms"] <= 200 and 750 <= total["startup_p95_ms"] <= 1000
    assert [point["watched_s"] for point in qoe["points"]] == [90.0, 30.0]
    assert qoe["points"][0]["viewers"] == 1.5
    assert set(qoe["by_protocol"]) == {"moq", "hls"}
    assert set(qoe["by_site"]) == {edge["site"], ""}, "places that do not exist cannot be invented"
    sight = (await red.get("/v1/channels/stage/sight")).json()
    assert sight["viewers"]["by_rendition"] == {"480p": 1.5} and sight["viewers"]["by_protocol"] == {"moq": 1.5}


async def test_two_processes_write_the_same_minute_and_readers_add_them_up(cloud: Cloud, clock: Clock) -> None:
    red = await cloud.as_(cloud.red)
    channel_id = (await ticket_of(red))["channel_id"]
    beacon = Beacon(token="x", first=True, watched_ms=1000, protocol="moq")
    processes = [QoeRollup(cloud.store, now=clock) for _ in range(2)]
    for _ in range(3):
        for process in processes:
            process.take(channel_id, beacon, region="eu", site="a")
            await process.write()
    since = clock.now.replace(second=0)
    async with cloud.store.session() as session:
        answer = await read_qoe(
            session, QoeQuery(channel_id, since, since + timedelta(minutes=1), timedelta(minutes=1))
        )
    assert (answer.total.viewings, answer.total.watched_ms) == (6, 6000)


async def test_nobody_can_write_into_a_channel_without_its_ticket(cloud: Cloud) -> None:
    red, blue, anybody = await cloud.as_(cloud.red), await cloud.as_(cloud.blue), await cloud.client()
    await ticket_of(red)
    token = (await ticket_of(blue, "other"))["beacon_token"]
    assert (await tell(anybody, "guess")).status_code == 403
    assert (await tell(anybody, token, watched_ms=1000)).status_code == 204
    await cloud.runtime.get(QoeRollup).write()
    assert (await red.get("/v1/channels/stage/qoe")).json()["total"]["watched_s"] == 0
    assert (await blue.get("/v1/channels/other/qoe")).json()["total"]["watched_s"] == 1.0
    assert (await blue.get("/v1/channels/stage/qoe")).status_code == 404


WRONG = (
    b"",
    b"no json",
    b"[]",
    b"{}",
    b'{"token": 1}',
    b"\xff\xfe",
    b"x" * 5000,
    b'{"token":"t","watched_ms":-1}',
    b'{"token":"t","watched_ms":99999999999999}',
    b'{"token":"t","rendition":"<script>"}',
    b'{"token":"t","startup_ms":NaN}',
)


async def test_what_is_no_beacon_is_refused_with_words(cloud: Cloud) -> None:
    anybody = await cloud.client()
    for wrong in WRONG:
        answer = await anybody.post("/v1/public/beacons", content=wrong)
        assert answer.status_code == 422 and answer.json()["detail"], (wrong, answer.text)


async def test_one_address_cannot_flood(cloud: Cloud) -> None:
    allowance = BeaconAllowance(now=lambda: 0.0)
    cloud.runtime.provide(allowance)
    with pytest.raises(BeaconsTooOften):
        while True:
            allowance.take("192.0.2.1")
    client, other = await cloud.client(address="192.0.2.1"), await cloud.client(address="192.0.2.77")
    assert (await tell(client, "guess")).status_code == 429
    assert (await tell(other, "guess")).status_code == 403


async def test_memory_and_time_are_bounded(cloud: Cloud, clock: Clock) -> None:
    rollup = QoeRollup(cloud.store, now=clock)
    beacon = Beacon(token="x")
    for number in range(KEYS_MAX + 5):
        rollup.take(f"ch_{number}", beacon, region="", site="")
    assert rollup.dropped == 5
    red = await cloud.as_(cloud.red)
    channel_id = (await ticket_of(red))["channel_id"]
    fresh = QoeRollup(cloud.store, now=clock)
    fresh.take(channel_id, beacon, region="", site="")
    await fresh.write()
    clock.now += timedelta(minutes=5)
    await fresh.write()
    assert fresh._sums == {}
    clock.now += KEPT
    await fresh.forget_old()
    span = {"since": (clock.now - KEPT).isoformat(), "until": clock.now.isoformat()}
    answer = await red.get("/v1/channels/stage/qoe", params=span)
    assert answer.status_code == 200 and answer.json()["points"] == [] and answer.json()["step_s"] >= 60
    wrong = await red.get("/v1/channels/stage/qoe", params={"since": span["until"], "until": span["since"]})
    assert wrong.status_code == 422


async def test_what_counts_as_wrong_is_the_channels_own(cloud: Cloud) -> None:
    red = await cloud.as_(cloud.red)
    await ticket_of(red)
    path = "/v1/channels/stage/detectors"
    assert (await red.get(path)).json()["black_alarm_s"] == 10.0
    changed = await red.put(path, json={"black_alarm_s": 2.5, "enabled": True})
    assert changed.status_code == 200 and changed.json()["black_alarm_s"] == 2.5
    assert (await red.get(path)).json()["black_alarm_s"] == 2.5
    await red.put(path, json={})
    assert (await red.get(path)).json()["black_alarm_s"] == 10.0
    assert (await red.put(path, json={"silence_dbfs": 5})).status_code == 422


def test_the_median_of_a_histogram_is_near_the_true_one() -> None:
    values = [90, 110, 140, 160, 170, 180, 190, 210, 260, 800]
    counts = histogram.empty()
    for value in values:
        counts[histogram.bucket_of(value)] += 1
    told = histogram.quantile_ms(counts, 0.5)
    assert told == pytest.approx(statistics.median(values), abs=50)
