"""Everything at a glance, to each what is theirs."""

from __future__ import annotations

from tests.clouds import Cloud


async def test_each_sees_its_own_channels(cloud: Cloud) -> None:
    red, blue = await cloud.as_(cloud.red), await cloud.as_(cloud.blue)
    created = (await red.post("/v1/channels", json={"name": "Show"})).json()["channel"]
    seen = (await red.get("/v1/overview")).json()
    assert seen == {
        "sites": [],
        "channels": [
            {
                "id": created["id"],
                "slug": "show",
                "name": "Show",
                "state": "offline",
                "viewers": 0,
                "ingress_bps": 0,
                "egress_bps": 0,
            }
        ],
        "totals": {"viewers": 0, "egress_bps": 0.0, "ingress_bps": 0.0, "channels_live": 0},
    }
    assert (await blue.get("/v1/overview")).json()["channels"] == []
    operator = await cloud.as_(cloud.operator)
    assert (await operator.get("/v1/overview")).json()["channels"] == []
    assert (await (await cloud.client()).get("/v1/overview")).status_code == 401
