"""What holds for every route: pages, idempotency, problem documents, headers, limits, metrics, health."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from skyriver.platform.identity.records import ApiKeyRecord, TenantRecord
from skyriver.platform.manifest import Part
from skyriver.platform.store import Store
from skyriver.platform.web import Writer
from skyriver.platform.web.middleware import MAX_BODY_BYTES
from skyriver.platform.web.records import IdempotencyRecord
from tests.clouds import Cloud, open_cloud


async def test_pages_hold_every_item_once_in_order(cloud: Cloud) -> None:
    admin = await cloud.as_(cloud.red, "admin")
    for number in range(5):
        await admin.post("/v1/api-keys", json={"name": f"key {number}"})
    whole = (await admin.get("/v1/api-keys")).json()
    assert len(whole["items"]) == 9 and whole["next_cursor"] is None
    for path, expected in (
        ("/v1/api-keys", whole["items"]),
        ("/v1/audit", (await admin.get("/v1/audit")).json()["items"]),
    ):
        seen: list[dict[str, str]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await admin.get(path, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
            assert len(page["items"]) <= 2
            seen += page["items"]
            cursor = page["next_cursor"]
        assert [item["id"] for item in seen] == [item["id"] for item in expected]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=nonsense", "cursor=%F0%9F%92%A9", "cursor=a"]
)
async def test_a_wrong_page_is_the_callers_fault(cloud: Cloud, query: str) -> None:
    answer = await (await cloud.as_(cloud.red)).get(f"/v1/users?{query}")
    assert answer.status_code == 422


async def test_the_same_create_twice_is_one_create_with_one_answer(cloud: Cloud) -> None:
    admin = await cloud.as_(cloud.red, "admin")
    headers = {"Idempotency-Key": "try-1"}
    first = await admin.post("/v1/api-keys", json={"name": "robot"}, headers=headers)
    second = await admin.post("/v1/api-keys", json={"name": "robot"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json() and second.headers["idempotency-replayed"] == "true"
    other = await admin.post("/v1/api-keys", json={"name": "other"}, headers=headers)
    assert other.status_code == 409 and other.json()["type"].endswith("/idempotency_key_reused")


async def test_creates_that_race_are_one_create(cloud: Cloud) -> None:
    admin = await cloud.as_(cloud.red, "admin")
    headers = {"Idempotency-Key": "race"}
    answers = await asyncio.gather(
        *(admin.post("/v1/api-keys", json={"name": "robot"}, headers=headers) for _ in range(6))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["secret"] for answer in answers}) == 1
    async with cloud.store.session() as session:
        count = select(func.count()).select_from(ApiKeyRecord).where(ApiKeyRecord.name == "robot")
        assert (await session.scalars(count)).one() == 1


async def test_the_kept_answer_is_sealed_and_only_for_the_same_credential(cloud: Cloud) -> None:
    admin = await cloud.as_(cloud.red, "admin")
    headers = {"Idempotency-Key": "sealed"}
    made = (await admin.post("/v1/api-keys", json={"name": "robot"}, headers=headers)).json()
    async with cloud.store.session() as session:
        record = (await session.scalars(select(IdempotencyRecord))).one()
    assert made["secret"].encode() not in record.answer and b"robot" not in record.answer
    stranger = await cloud.as_(cloud.blue, "admin")
    theirs = await stranger.post("/v1/api-keys", json={"name": "robot"}, headers=headers)
    assert theirs.status_code == 201 and theirs.json()["secret"] != made["secret"]


async def test_a_failed_create_does_not_use_up_its_key(cloud: Cloud) -> None:
    admin = await cloud.as_(cloud.red, "admin")
    headers = {"Idempotency-Key": "fails"}
    taken = {"email": "owner@red.test", "password": "correct horse battery"}
    assert (await admin.post("/v1/users", json=taken, headers=headers)).json()["type"].endswith("/email_taken")
    free = {"email": "free@red.test", "password": "correct horse battery"}
    assert (await admin.post("/v1/users", json=free, headers=headers)).status_code == 201


async def test_errors_are_problem_documents(cloud: Cloud) -> None:
    admin = await cloud.as_(cloud.red, "admin")
    wrong = await admin.post("/v1/users", json={"email": "not an address", "password": "x", "rôle": 1})
    assert wrong.status_code == 422 and wrong.headers["content-type"] == "application/problem+json"
    problem = wrong.json()
    assert problem["instance"] == "/v1/users" and problem["hint"]
    assert {error["field"] for error in problem["errors"]} == {"body.email", "body.password", "body.rôle"}
    for method, path, status in (
        ("GET", "/v1/nothing", 404),
        ("PUT", "/v1/users", 405),
        ("GET", "/v1/users/us_1", 404),
    ):
        answer = await admin.request(method, path)
        assert answer.status_code == status and answer.json()["status"] == status
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await admin.put("/v1/users")).headers["allow"]
    broken = await admin.post("/v1/users", content=b"{", headers={"content-type": "application/json"})
    assert broken.status_code == 422


async def test_nul_in_an_address_is_refused_before_any_database_sees_it(cloud: Cloud) -> None:
    admin = await cloud.as_(cloud.red, "admin")
    for path in ("/v1/users/%00", "/v1/users?cursor=%00"):
        assert (await admin.get(path)).status_code == 400


async def test_a_body_that_is_too_large_is_refused_announced_or_not(cloud: Cloud) -> None:
    admin = await cloud.as_(cloud.red, "admin")
    headers = {"content-type": "application/json"}
    announced = await admin.post("/v1/api-keys", content=b"x" * (MAX_BODY_BYTES + 1), headers=headers)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * (MAX_BODY_BYTES // 16)

    streamed = await admin.post("/v1/api-keys", content=chunks(), headers=headers)
    assert (announced.status_code, streamed.status_code) == (413, 413)
    assert announced.json()["type"].endswith("/body_too_large")


async def test_what_is_answered_is_stored(store: Store, tmp_path: Path) -> None:
    """When the first byte of the answer leaves, another connection can read what was written."""
    from fastapi import APIRouter

    router = APIRouter()

    @router.post("/v1/probe", status_code=201)
    async def probe(writer: Writer) -> dict[str, str]:
        writer.add(TenantRecord(slug="probe", name="Probe"))
        return {}

    async with open_cloud(store, tmp_path, parts=(Part("probe", routers=(router,)),), services=()) as cloud:
        seen: list[int] = []

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                async with store.session() as session:
                    count = select(func.count()).where(TenantRecord.slug == "probe")
                    seen.append((await session.scalars(count)).one())

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        await cloud.app(_scope("POST", "/v1/probe"), receive, send)  # type: ignore[arg-type]
    assert seen == [1]


def _scope(method: str, path: str) -> dict[str, object]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "client": ("192.0.2.1", 1),
        "server": ("sky.test", 80),
        "scheme": "http",
    }


async def test_an_unexpected_error_tells_nothing_of_the_inside(store: Store, tmp_path: Path) -> None:
    from fastapi import APIRouter

    router = APIRouter()

    @router.get("/v1/bug")
    async def bug() -> None:
        raise RuntimeError("the inside")

    async with open_cloud(store, tmp_path, parts=(Part("bug", routers=(router,)),), services=()) as cloud:
        answer = await (await cloud.client()).get("/v1/bug")
    assert answer.status_code == 500 and "inside" not in answer.text
    assert answer.json()["type"].endswith("/internal")


async def test_headers_protect_pages_and_answers(cloud: Cloud) -> None:
    client = await cloud.client()
    api = (await client.get("/healthz")).headers
    assert "default-src 'none'" in api["content-security-policy"] and api["cache-control"] == "no-store"
    page = (await client.get("/channels/x")).headers
    policy = page["content-security-policy"]
    assert "frame-ancestors 'none'" in policy and "'wasm-unsafe-eval'" in policy and "worker-src 'self' blob:" in policy
    assert "connect-src 'self' https:" in policy and "'unsafe-eval'" not in policy
    embedded = (await client.get("/embed/red/stage")).headers
    assert "frame-ancestors *" in embedded["content-security-policy"] and "x-frame-options" not in embedded
    assert "frame-ancestors 'none'" in (await client.get("/embedded")).headers["content-security-policy"]
    assert api["x-content-type-options"] == page["x-content-type-options"] == "nosniff"


async def test_foreign_pages_may_have_the_player_and_what_is_public_and_nothing_else(cloud: Cloud) -> None:
    client = await cloud.client()
    foreign = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    asked = await client.options("/v1/public/red/stage/watch", headers=foreign)
    assert asked.status_code == 204 and asked.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in asked.headers
    refused = await client.post("/v1/public/red/stage/watch", json={}, headers=foreign)
    assert refused.status_code == 404 and refused.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" in (await client.get("/player.js")).headers
    for path in ("/v1/me", "/v1/channels", "/login"):
        assert "access-control-allow-origin" not in (await client.get(path, headers=foreign)).headers
        assert "access-control-allow-origin" not in (await client.options(path, headers=foreign)).headers


async def test_health_readiness_and_metrics(cloud: Cloud) -> None:
    client = await cloud.client()
    assert (await client.get("/healthz")).json()["status"] == "ok"
    ready = await client.get("/readyz")
    assert ready.status_code == 200 and ready.json()["checks"]["store"]["ok"]

    async def broken() -> None:
        raise RuntimeError

    cloud.runtime.readiness["bus"] = broken
    missing = await client.get("/readyz")
    assert missing.status_code == 503 and missing.json()["checks"]["bus"]["ok"] is False
    await (await cloud.as_(cloud.red)).get(f"/v1/users/{cloud.red.owner_id}")
    metrics = (await client.get("/metrics")).text
    assert 'skyriver_http_requests_total{method="GET",route="/v1/users/{user_id}",status="200"} 1.0' in metrics
    assert cloud.red.owner_id not in metrics


async def test_requests_are_logged_without_credentials(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "skyriver.http"):
        await (await cloud.client("sky_key_" + "x" * 43)).get("/v1/me?token=hush")
    lines = [record for record in caplog.records if record.name == "skyriver.http"]
    assert [line.getMessage() for line in lines] == ["GET /v1/me 401"]
    assert lines[0].request_id.startswith("req_")  # type: ignore[attr-defined]


async def test_events_reach_the_tenants_own_stream(cloud: Cloud) -> None:
    assert (await (await cloud.client()).get("/v1/events")).status_code == 401
    red, blue = await cloud.as_(cloud.red, "viewer"), await cloud.as_(cloud.blue, "viewer")
    async with asyncio.TaskGroup() as tasks:
        reading = [tasks.create_task(client.get("/v1/events")) for client in (red, blue)]
        while len(cloud.runtime.hub) < 2:  # noqa: ASYNC110 (lets the API run; no time passes)
            await asyncio.sleep(0)
        cloud.runtime.hub.publish("channel", {"id": "ch_red"}, tenant_id=cloud.red.id)
        while any(s.waiting for s in cloud.runtime.hub.subscriptions):  # noqa: ASYNC110
            await asyncio.sleep(0)
        cloud.runtime.hub.close()
    seen, foreign = (task.result() for task in reading)
    assert seen.headers["content-type"].startswith("text/event-stream") and "ch_red" in seen.text
    assert "ch_red" not in foreign.text


def test_the_openapi_document_names_operations_once(app_without_services: FastAPI) -> None:
    document = app_without_services.openapi()
    names = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    assert len(names) == len(set(names))
    assert "HTTPValidationError" not in json.dumps(document)
