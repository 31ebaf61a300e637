"""What principals can do with channels and keys, on every database."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from skyriver.platform.identity import Principal, hash_secret
from skyriver.platform.identity.records import AuditRecord
from skyriver.platform.store import Store
from skyriver.services.live import service
from skyriver.services.live.errors import (
    ChannelNotFound,
    SlugTaken,
    StreamKeyNotFound,
    TooManyChannels,
    TooManyStreamKeys,
)
from skyriver.services.live.model import STREAM_KEYS_PER_CHANNEL_MAX, ProfileName, Takeover
from skyriver.services.live.records import ChannelRecord, StreamKeyRecord
from skyriver.services.live.service import ChannelChange, ChannelDraft


async def make(store: Store, caller: Principal, name: str = "Main Stage", **other: object) -> tuple[str, str]:
    """A channel; returns its id and its first key."""
    async with store.transaction() as session:
        channel, secret = await service.create_channel(session, caller, ChannelDraft(name, **other))  # type: ignore[arg-type]
        return channel.id, secret


async def test_a_channel_is_made_with_a_key_that_is_stored_only_as_a_hash(store: Store, alice: Principal) -> None:
    channel_id, secret = await make(store, alice)
    assert secret.startswith("sky_pub_")
    async with store.session() as session:
        channel = await service.find_channel(session, alice.tenant_id, channel_id)
        assert (channel.slug, channel.takeover, channel.public) == ("main-stage", "first_wins", False)
        (key,) = (await session.scalars(service.stream_keys_of(channel))).all()
        assert key.secret_sha256 == hash_secret(secret)
        assert secret not in str({c.name: getattr(key, c.name) for c in StreamKeyRecord.__table__.columns})
        audit = (await session.scalars(select(AuditRecord).where(AuditRecord.tenant_id == alice.tenant_id))).all()
        assert {entry.action for entry in audit} == {"channel.created", "stream_key.created"}
        assert secret not in str([entry.details for entry in audit])


async def test_names_that_make_the_same_slug_get_numbers(store: Store, alice: Principal) -> None:
    for name in ("Show", "show!", "SHOW", "天河", "大江"):
        await make(store, alice, name)
    async with store.session() as session:
        slugs = {channel.slug for channel in (await session.scalars(service.channels_of(alice))).all()}
    assert slugs == {"show", "show-2", "show-3", "channel", "channel-2"}


async def test_a_given_slug_must_be_free_within_the_tenant_only(store: Store, alice: Principal, bob: Principal) -> None:
    await make(store, alice, slug="show")
    await make(store, bob, slug="show")
    with pytest.raises(SlugTaken):
        await make(store, alice, slug="show")
    async with store.session() as session:
        assert len((await session.scalars(service.channels_of(alice))).all()) == 1


async def test_two_creates_at_once_cannot_both_have_the_slug(store: Store, alice: Principal) -> None:
    results = await asyncio.gather(*(make(store, alice, slug="show") for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(result, tuple) for result in results) == 1
    assert sum(isinstance(result, SlugTaken) for result in results) == 3


async def test_anothers_channel_does_not_exist(store: Store, alice: Principal, bob: Principal) -> None:
    channel_id, _ = await make(store, alice)
    async with store.session() as session:
        for name in (channel_id, "main-stage", "nothing", "", "ch_0000000000000000"):
            with pytest.raises(ChannelNotFound):
                await service.find_channel(session, bob.tenant_id, name)
        assert (await session.scalars(service.channels_of(bob))).all() == []


async def test_only_public_channels_are_found_publicly(store: Store, alice: Principal) -> None:
    await make(store, alice, "Open", public=True)
    await make(store, alice, "Closed")
    async with store.session() as session:
        assert (await service.find_public_channel(session, "alice", "open")).name == "Open"
        for tenant, slug in (("alice", "closed"), ("alice", "none"), ("bob", "open"), ("", "")):
            with pytest.raises(ChannelNotFound):
                await service.find_public_channel(session, tenant, slug)


async def test_changing_a_channel_changes_what_is_given(store: Store, alice: Principal) -> None:
    channel_id, _ = await make(store, alice)
    await make(store, alice, slug="taken")
    change = ChannelChange(name="New", takeover=Takeover.TAKEOVER, profile=ProfileName.LIGHT, public=True)
    async with store.transaction() as session:
        channel = await service.find_channel(session, alice.tenant_id, channel_id)
        await service.change_channel(session, alice, channel, change)
    async with store.session() as session:
        channel = await service.find_channel(session, alice.tenant_id, "main-stage")
        assert (channel.name, channel.takeover, channel.profile, channel.public) == ("New", "takeover", "light", True)
    with pytest.raises(SlugTaken):
        async with store.transaction() as session:
            channel = await service.find_channel(session, alice.tenant_id, channel_id)
            await service.change_channel(session, alice, channel, ChannelChange(slug="taken"))


async def test_deleting_a_channel_takes_its_keys_along(store: Store, alice: Principal) -> None:
    channel_id, _ = await make(store, alice)
    async with store.transaction() as session:
        channel = await service.find_channel(session, alice.tenant_id, channel_id)
        await service.delete_channel(session, alice, channel)
    async with store.session() as session:
        assert (await session.scalars(select(StreamKeyRecord))).all() == []
        assert await session.get(ChannelRecord, channel_id) is None


async def test_rotating_a_key_ends_the_old_and_shows_the_new_once(store: Store, alice: Principal) -> None:
    channel_id, old_secret = await make(store, alice)
    async with store.transaction() as session:
        channel = await service.find_channel(session, alice.tenant_id, channel_id)
        (old,) = (await session.scalars(service.stream_keys_of(channel))).all()
        key, secret = await service.rotate_stream_key(session, alice, channel, old.id)
    assert secret != old_secret
    async with store.session() as session:
        hashes = (await session.scalars(select(StreamKeyRecord.secret_sha256))).all()
    assert hashes == [hash_secret(secret)]
    assert key.name == "first"


async def test_keys_are_revoked_one_by_one_and_never_those_of_another_channel(store: Store, alice: Principal) -> None:
    first_id, _ = await make(store, alice, "First")
    second_id, _ = await make(store, alice, "Second")
    async with store.transaction() as session:
        first = await service.find_channel(session, alice.tenant_id, first_id)
        second = await service.find_channel(session, alice.tenant_id, second_id)
        (key_of_second,) = (await session.scalars(service.stream_keys_of(second))).all()
        for operation in (service.revoke_stream_key, service.rotate_stream_key):
            with pytest.raises(StreamKeyNotFound):
                await operation(session, alice, first, key_of_second.id)
        await service.revoke_stream_key(session, alice, second, key_of_second.id)
    async with store.session() as session:
        assert len((await session.scalars(service.stream_keys_of(first))).all()) == 1
        assert (await session.scalars(service.stream_keys_of(second))).all() == []


async def test_limits_are_said_and_kept(store: Store, alice: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHANNELS_PER_TENANT_MAX", 2)
    channel_id, _ = await make(store, alice)
    await make(store, alice)
    with pytest.raises(TooManyChannels):
        await make(store, alice)
    async with store.transaction() as session:
        channel = await service.find_channel(session, alice.tenant_id, channel_id)
        for number in range(STREAM_KEYS_PER_CHANNEL_MAX - 1):
            await service.create_stream_key(session, alice, channel, f"spare {number}")
        with pytest.raises(TooManyStreamKeys):
            await service.create_stream_key(session, alice, channel, "one more")
