"""The demo channel: made once, repaired always, its key never in the store."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import select

from skyriver.kernel.errors import WorldBroke
from skyriver.platform.identity import Principal, hash_secret
from skyriver.platform.store import Store
from skyriver.services.live import service
from skyriver.services.live.demo import FEEDER_KEY_NAME, FeederKeys, ensure_demo, stop_demo
from skyriver.services.live.intents import ChannelPlan, read_plans
from skyriver.services.live.model import InputName
from skyriver.services.live.records import ChannelRecord, StreamKeyRecord
from skyriver.services.live.service import ChannelChange


async def plans(store: Store, keys: FeederKeys) -> list[ChannelPlan]:
    async with store.session() as session:
        return await read_plans(session, keys.read)


async def feeder_hashes(store: Store) -> list[str]:
    async with store.session() as session:
        query = select(StreamKeyRecord.secret_sha256).where(StreamKeyRecord.name == FEEDER_KEY_NAME)
        return list((await session.scalars(query)).all())


async def test_every_start_finds_the_same_demo(store: Store, alice: Principal, tmp_path: Path) -> None:
    keys = FeederKeys(tmp_path)
    first = await ensure_demo(store, alice, keys)
    secret = keys.read(first)
    assert await ensure_demo(store, alice, keys) == first
    assert keys.read(first) == secret is not None
    (plan,) = await plans(store, keys)
    assert plan.feeder is not None and plan.feeder.key == secret
    assert await feeder_hashes(store) == [hash_secret(secret)]
    assert hash_secret(secret) in plan.inputs[InputName.MAIN].key_sha256
    async with store.session() as session:
        channel = await service.find_channel(session, alice.tenant_id, "demo")
    assert (channel.name, channel.public) == ("Demo", True)


async def test_the_key_is_readable_by_its_owner_only(store: Store, alice: Principal, tmp_path: Path) -> None:
    channel_id = await ensure_demo(store, alice, FeederKeys(tmp_path))
    (file,) = (tmp_path / "feeder-keys").iterdir()
    assert file.name == channel_id
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_lost_or_foreign_key_file_is_replaced(store: Store, alice: Principal, tmp_path: Path) -> None:
    keys = FeederKeys(tmp_path)
    channel_id = await ensure_demo(store, alice, keys)
    for spoilt in (None, "sky_pub_of_a_crash_before_the_commit", ""):
        if spoilt is None:
            (tmp_path / "feeder-keys" / channel_id).unlink()
        else:
            keys.write(channel_id, spoilt)
        await ensure_demo(store, alice, keys)
        secret = keys.read(channel_id)
        assert secret is not None
        assert await feeder_hashes(store) == [hash_secret(secret)]


async def test_what_people_changed_stays(store: Store, alice: Principal, tmp_path: Path) -> None:
    keys = FeederKeys(tmp_path)
    channel_id = await ensure_demo(store, alice, keys)
    async with store.transaction() as session:
        channel = await service.find_channel(session, alice.tenant_id, channel_id)
        await service.change_channel(session, alice, channel, ChannelChange(name="My demo", public=False))
    await ensure_demo(store, alice, keys)
    async with store.session() as session:
        channel = await service.find_channel(session, alice.tenant_id, channel_id)
    assert (channel.name, channel.public) == ("My demo", False)


async def test_without_the_demo_nothing_is_fed_and_the_channel_stays(
    store: Store, alice: Principal, tmp_path: Path
) -> None:
    keys = FeederKeys(tmp_path)
    await ensure_demo(store, alice, keys)
    await stop_demo(store)
    (plan,) = await plans(store, keys)
    assert plan.feeder is None
    await ensure_demo(store, alice, keys)
    (plan,) = await plans(store, keys)
    assert plan.feeder is not None


async def test_a_process_without_the_key_plans_no_feeder(store: Store, alice: Principal, tmp_path: Path) -> None:
    await ensure_demo(store, alice, FeederKeys(tmp_path / "one"))
    (plan,) = await plans(store, FeederKeys(tmp_path / "other"))
    assert plan.feeder is None


async def test_a_folder_that_cannot_be_written_leaves_nothing_half_made(
    store: Store, alice: Principal, tmp_path: Path
) -> None:
    (tmp_path / "feeder-keys").write_text("a file where the folder should be")
    with pytest.raises(WorldBroke, match="feeder-keys"):
        await ensure_demo(store, alice, FeederKeys(tmp_path))
    async with store.session() as session:
        assert (await session.scalars(select(ChannelRecord))).all() == []
