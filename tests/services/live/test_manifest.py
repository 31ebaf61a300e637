"""What live channels bring to the platform fits what the platform has."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from skyriver.apps.api.composition import SERVICES
from skyriver.apps.workload.registry import KINDS, workload_main
from skyriver.kernel.errors import InvalidInput
from skyriver.platform.alarms.part import PART as ALARMS
from skyriver.platform.fabric_keys.part import PART as FABRIC_KEYS
from skyriver.platform.identity import Principal
from skyriver.platform.store import Store
from skyriver.platform.workloads import ObservedState
from skyriver.services.live.demo import FeederKeys, ensure_demo
from skyriver.services.live.manifest import SERVICE, live_service
from skyriver.services.live.settings import RTMP_PORT_VARIABLE, LiveSettings
from tests.clouds import open_cloud
from tests.services.live.hand_cloud import HandCloud, small_cloud


def test_the_service_is_in_the_composition() -> None:
    assert SERVICE in SERVICES


@pytest.mark.parametrize("kind", SERVICE.workload_kinds)
def test_every_kind_can_be_started(kind: str) -> None:
    assert kind in KINDS
    assert callable(workload_main(kind))


async def test_intents_know_the_settings_and_the_feeders_key(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RTMP_PORT_VARIABLE, "2935")
    hand = HandCloud(small_cloud())
    service = live_service(lambda _runtime: hand)
    async with open_cloud(store, tmp_path, parts=(FABRIC_KEYS, ALARMS), services=(service,)) as cloud:
        owner = Principal("service", "test", cloud.operator.id, "owner", is_operator=True)
        channel_id = await ensure_demo(store, owner, FeederKeys(tmp_path))
        observed = dataclasses.replace(ObservedState(hand.nodes), grant_minter=lambda *_: "grant")
        assert service.intents is not None
        async with store.session() as session:
            intents = {intent.name: intent for intent in await service.intents(session, observed)}
    of_nodes = {"live.station/n1", "live.whep/n1", "live.delivery/e1", "live.delivery/e2"}
    assert set(intents) == of_nodes | {f"live.feeder/{channel_id}"}
    assert intents["live.station/n1"].spec["rtmp_port"] == 2935
    feeder = intents[f"live.feeder/{channel_id}"].spec
    assert feeder["rtmp_url"] == "rtmp://127.0.0.1:2935/live"
    assert feeder["key"] == FeederKeys(tmp_path).read(channel_id)


def test_settings_come_from_the_environment() -> None:
    assert LiveSettings.from_environment({}).rtmp_port == 1935
    assert LiveSettings.from_environment({RTMP_PORT_VARIABLE: "0"}).rtmp_port == 0
    for wrong in ("x", "-1", "65536", "1.5"):
        with pytest.raises(InvalidInput, match=RTMP_PORT_VARIABLE):
            LiveSettings.from_environment({RTMP_PORT_VARIABLE: wrong})
