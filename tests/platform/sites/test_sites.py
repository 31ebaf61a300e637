"""Sites, join tokens and joining, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from skyriver.fabric.bus import encode_public_key
from skyriver.platform.identity import Principal
from skyriver.platform.sites import create_join_token
from tests.clouds import Cloud

SITE = {"slug": "fra", "name": "Frankfurt", "role": "edge", "region": "eu", "latitude": 50.1, "longitude": 8.7}


def machine(token: str, **other: Any) -> dict[str, Any]:
    key = encode_public_key(Ed25519PrivateKey.generate().public_key())
    return {
        "token": token,
        "name": "fra-1",
        "public_key": key,
        "address": "192.0.2.7",
        "cores": 2,
        "memory_bytes": 1 << 32,
        **other,
    }


async def token_for(operator: httpx.AsyncClient, site_id: str) -> str:
    made = await operator.post("/v1/join-tokens", json={"site_id": site_id})
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


async def test_operators_make_sites_and_nobody_else(cloud: Cloud) -> None:
    operator, red = await cloud.as_(cloud.operator), await cloud.as_(cloud.red)
    made = await operator.post("/v1/sites", json=SITE)
    assert (made.status_code, made.json()["slug"]) == (201, "fra")
    again = await operator.post("/v1/sites", json=SITE)
    assert (again.status_code, again.json()["type"].rsplit("/", 1)[-1]) == (409, "slug_taken")
    assert [site["id"] for site in (await operator.get("/v1/sites")).json()["items"]] == [made.json()["id"]]
    assert (await red.get("/v1/sites")).status_code == 403
    assert (await red.post("/v1/sites", json={**SITE, "slug": "x"})).status_code == 403
    assert (await operator.post("/v1/join-tokens", json={"site_id": "site_none"})).status_code == 404


async def test_a_token_makes_one_node_and_the_same_machine_may_ask_again(cloud: Cloud) -> None:
    operator, stranger = await cloud.as_(cloud.operator), await cloud.client()
    site_id = (await operator.post("/v1/sites", json=SITE)).json()["id"]
    token = await token_for(operator, site_id)
    body = machine(token)
    first = await stranger.post("/v1/nodes/join", json=body)
    assert first.status_code == 201
    assert first.json()["site"]["slug"] == "fra"
    assert (await stranger.post("/v1/nodes/join", json=body)).json()["node_id"] == first.json()["node_id"]
    other = await stranger.post("/v1/nodes/join", json=machine(token, name="fra-2"))
    assert (other.status_code, other.json()["type"].rsplit("/", 1)[-1]) == (401, "bad_join_token")
    same_name = await stranger.post("/v1/nodes/join", json=machine(await token_for(operator, site_id)))
    assert (same_name.status_code, same_name.json()["type"].rsplit("/", 1)[-1]) == (409, "node_name_taken")
    actions = [entry["action"] for entry in (await operator.get("/v1/audit")).json()["items"]]
    assert actions.count("node.joined") == 1


@pytest.mark.parametrize("key", ["", "short", "x" * 43 + "!", "=" * 43, "ä" * 20])
async def test_what_is_no_key_is_refused(cloud: Cloud, key: str) -> None:
    operator = await cloud.as_(cloud.operator)
    site_id = (await operator.post("/v1/sites", json=SITE)).json()["id"]
    body = machine(await token_for(operator, site_id), public_key=key)
    refused = await operator.post("/v1/nodes/join", json=body)
    assert (refused.status_code, refused.json()["type"].rsplit("/", 1)[-1]) == (422, "bad_public_key")


async def test_an_expired_token_is_worth_nothing(cloud: Cloud) -> None:
    operator = await cloud.as_(cloud.operator)
    site_id = (await operator.post("/v1/sites", json=SITE)).json()["id"]
    actor = Principal("service", "test", cloud.operator.id, "owner", is_operator=True)
    async with cloud.store.transaction() as session:
        _record, token = await create_join_token(session, actor, site_id, lifetime=timedelta(seconds=-1))
    assert (await operator.post("/v1/nodes/join", json=machine(token))).status_code == 401
