"""Signing in, users, keys, tenants and the audit log, through HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from skyriver.platform.identity.throttle import FREE_PER_PAIR
from skyriver.platform.store import Store
from tests.clouds import PASSWORD, Cloud, open_cloud


async def sign_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    return await client.post("/v1/sessions", json={"email": email, "password": password, **more})


async def test_a_user_signs_in_looks_and_signs_out(cloud: Cloud) -> None:
    client = await cloud.client()
    answer = await sign_in(client, "OWNER@red.test")
    assert answer.status_code == 201
    assert answer.json()["role"] == "owner" and answer.json()["tenant"]["slug"] == "red"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie

    bearer = await cloud.client(answer.json()["token"])
    me = (await bearer.get("/v1/me")).json()
    assert me["user"]["email"] == "owner@red.test" and me["is_operator"] is False
    assert (await bearer.delete("/v1/sessions/current")).status_code == 204
    again = await bearer.get("/v1/me")
    assert again.status_code == 401 and again.headers["www-authenticate"] == "Bearer"


async def test_a_cookie_may_read_and_needs_a_proof_to_write(cloud: Cloud) -> None:
    client = await cloud.client()
    assert (await sign_in(client, "owner@red.test")).status_code == 201
    assert (await client.get("/v1/me")).status_code == 200
    forged = await client.patch("/v1/tenant", json={"name": "Stolen"})
    assert forged.status_code == 403 and forged.json()["type"].endswith("/csrf")
    honest = await client.patch("/v1/tenant", json={"name": "Red two"}, headers={"X-Skyriver-Csrf": "1"})
    assert honest.status_code == 200 and honest.json()["name"] == "Red two"


async def test_the_cookie_is_secure_where_the_console_is(store: Store, tmp_path: Path) -> None:
    async with open_cloud(store, tmp_path, public_url="https://sky.example") as cloud:
        answer = await sign_in(await cloud.client(), "owner@red.test")
        assert "secure" in answer.headers["set-cookie"].lower()


async def test_guessing_is_slowed_and_time_heals(store: Store, tmp_path: Path) -> None:
    clock = [datetime(2026, 5, 1, tzinfo=UTC)]
    async with open_cloud(store, tmp_path, now=lambda: clock[0]) as cloud:
        client = await cloud.client()
        for _ in range(FREE_PER_PAIR):
            assert (await sign_in(client, "owner@red.test", "wrong password")).status_code == 401
        refused = await sign_in(client, "owner@red.test")
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1" and refused.json()["type"].endswith("/login_throttled")
        elsewhere = await cloud.client(address="198.51.100.7")
        assert (await sign_in(elsewhere, "owner@red.test")).status_code == 201
        clock[0] += timedelta(seconds=1)
        assert (await sign_in(client, "owner@red.test")).status_code == 201
        assert (await sign_in(client, "owner@red.test", "wrong password")).status_code == 401  # the count began anew


async def test_one_address_in_two_tenants(cloud: Cloud) -> None:
    for tenant in (cloud.red, cloud.blue):
        owner = await cloud.as_(tenant)
        made = await owner.post("/v1/users", json={"email": "Ann@Both.test", "password": PASSWORD})
        assert made.status_code == 201 and made.json()["email"] == "ann@both.test"
    client = await cloud.client()
    assert (await sign_in(client, "ann@both.test")).status_code == 401
    named = await sign_in(client, "ann@both.test", tenant="blue")
    assert named.status_code == 201 and named.json()["tenant"]["id"] == cloud.blue.id


async def test_users_are_made_changed_and_removed(cloud: Cloud) -> None:
    admin = await cloud.as_(cloud.red, "admin")
    made = await admin.post("/v1/users", json={"email": "bob@red.test", "password": PASSWORD, "role": "viewer"})
    user_id = made.json()["id"]
    assert (await admin.post("/v1/users", json={"email": "BOB@red.test", "password": PASSWORD})).status_code == 409
    bob = await cloud.client((await sign_in(await cloud.client(), "bob@red.test")).json()["token"])
    assert (await bob.post("/v1/users", json={"email": "x@red.test", "password": PASSWORD})).status_code == 403
    changed = await admin.patch(f"/v1/users/{user_id}", json={"role": "member", "password": "another long phrase"})
    assert changed.json()["role"] == "member"
    assert (await bob.get("/v1/me")).status_code == 401, "a new password closes sessions"
    assert (await sign_in(await cloud.client(), "bob@red.test")).status_code == 401
    assert (await admin.delete(f"/v1/users/{user_id}")).status_code == 204
    assert (await admin.delete(f"/v1/users/{user_id}")).status_code == 404


async def test_nobody_rises_above_the_own_role_and_the_last_owner_stays(cloud: Cloud) -> None:
    admin, owner = await cloud.as_(cloud.red, "admin"), await cloud.as_(cloud.red)
    new_owner = {"email": "boss@red.test", "password": PASSWORD, "role": "owner"}
    assert (await admin.post("/v1/users", json=new_owner)).status_code == 403
    assert (await admin.post("/v1/api-keys", json={"name": "mine", "role": "owner"})).status_code == 403
    path = f"/v1/users/{cloud.red.owner_id}"
    for answer in (await admin.patch(path, json={"password": "a phrase of mine"}), await admin.delete(path)):
        assert answer.status_code == 403
    for answer in (await owner.patch(path, json={"role": "admin"}), await owner.delete(path)):
        assert answer.status_code == 409 and answer.json()["type"].endswith("/last_owner")
    assert (await owner.post("/v1/users", json=new_owner)).status_code == 201
    assert (await owner.patch(path, json={"role": "admin"})).status_code == 200


async def test_a_key_is_shown_once_works_and_is_revoked_at_once(cloud: Cloud) -> None:
    admin = await cloud.as_(cloud.red, "admin")
    made = (await admin.post("/v1/api-keys", json={"name": "robot", "role": "viewer"})).json()
    robot = await cloud.client(made["secret"])
    assert (await robot.get("/v1/me")).json()["kind"] == "api_key"
    assert made["secret"] not in (await admin.get("/v1/api-keys")).text
    await cloud.runtime.key_uses.flush()
    listed = {key["id"]: key for key in (await admin.get("/v1/api-keys")).json()["items"]}
    assert listed[made["id"]]["last_used_at"] is not None
    assert (await admin.delete(f"/v1/api-keys/{made['id']}")).status_code == 204
    assert (await robot.get("/v1/me")).status_code == 401


async def test_the_operator_makes_a_tenant_whose_owner_can_sign_in(cloud: Cloud) -> None:
    operator = await cloud.as_(cloud.operator, "admin")
    body = {"name": "Green", "slug": "green", "owner_email": "gina@green.test"}
    made = await operator.post("/v1/tenants", json=body)
    assert made.status_code == 201
    assert (await operator.post("/v1/tenants", json=body)).status_code == 409
    password = made.json()["owner_password"]
    signed_in = await sign_in(await cloud.client(), "gina@green.test", password)
    assert signed_in.status_code == 201 and signed_in.json()["role"] == "owner"
    assert password not in (await operator.get("/v1/audit")).text
    member = await cloud.as_(cloud.operator, "member")
    assert (await member.get("/v1/tenants")).status_code == 403


async def test_every_change_is_in_the_audit_log_newest_first(cloud: Cloud) -> None:
    admin = await cloud.as_(cloud.red, "admin")
    me = (await admin.get("/v1/me")).json()["id"]
    key = (await admin.post("/v1/api-keys", json={"name": "robot"})).json()
    await admin.delete(f"/v1/api-keys/{key['id']}")
    log = (await admin.get("/v1/audit?limit=2")).json()
    assert [(e["action"], e["subject_id"], e["actor_id"]) for e in log["items"]] == [
        ("api_key.deleted", key["id"], me),
        ("api_key.created", key["id"], me),
    ]
    assert key["secret"] not in (await admin.get("/v1/audit")).text
    assert (await (await cloud.as_(cloud.red, "member")).get("/v1/audit")).status_code == 403
