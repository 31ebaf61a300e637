"""Grant keys: sealed, published, stable for services, revocable."""

from __future__ import annotations

import asyncio
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from skyriver.fabric.grants import Denial, Verifier
from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import NotAuthenticated, WorldBroke
from skyriver.platform.fabric_keys import (
    GrantKeyRecord,
    GrantKeys,
    Seal,
    WrongSeal,
    denied_grants,
    deny_grant,
    revoke_space,
    tenant_of_jti,
)
from skyriver.platform.store import Store

TENANT = "ten_0gk3v9xw2m7q4t1z"


async def test_a_viewers_grant_is_verified_with_the_published_keys_and_names_its_tenant(
    store: Store, tmp_path: Path
) -> None:
    keys = await GrantKeys.open(store, tmp_path)
    minted = keys.mint_viewer("live/ch_1", tenant_id=TENANT)
    grant = Verifier(keys.jwks()).verify(minted.token, "live/ch_1")
    assert (grant.get, grant.put, grant.cluster, grant.jti) == (("",), (), False, minted.jti)
    assert tenant_of_jti(grant.jti) == TENANT
    assert keys.mint_viewer("live/ch_1", tenant_id=TENANT).jti != minted.jti


async def test_a_services_grant_is_the_same_from_any_process_until_it_is_renewed(store: Store, tmp_path: Path) -> None:
    def mint(keys: GrantKeys, holder: str, now: datetime) -> str:
        return keys.mint_service(holder, "live/ch_1", tenant_id=TENANT, put=("",), get=("",), now=now).token

    first, second = await GrantKeys.open(store, tmp_path), await GrantKeys.open(store, tmp_path)
    now = datetime(2026, 5, 1, tzinfo=UTC)
    hours = [mint(first, "wl_1/1", now + timedelta(hours=h)) for h in range(48)]
    assert hours == [mint(second, "wl_1/1", now + timedelta(hours=h)) for h in range(48)]
    assert 4 <= len(set(hours)) <= 5
    assert mint(first, "wl_1/2", now) != hours[0]
    for h in range(48):
        at = now + timedelta(hours=h)
        left = Verifier(first.jwks(), now=lambda at=at: at).verify(hours[h], "live/ch_1").expires_at - at  # type: ignore[misc]
        assert timedelta(hours=12) <= left <= timedelta(hours=24)
    platform = first.mint_service("wl_9/1", "", tenant_id=None, put=(), get=("",))
    assert tenant_of_jti(platform.jti) is None
    assert Verifier(first.jwks()).verify(platform.token, "live/anything").cluster


async def test_processes_that_start_together_agree_on_one_key(store: Store, tmp_path: Path) -> None:
    opened = await asyncio.gather(*(GrantKeys.open(store, tmp_path) for _ in range(4)))
    for keys in opened:
        await keys.refresh()
    assert len({str(keys.jwks()) for keys in opened}) == 1
    assert len(opened[0].jwks()["keys"]) == 1


async def test_after_a_rotation_old_grants_are_good_and_new_ones_have_the_new_key(store: Store, tmp_path: Path) -> None:
    keys, other = await GrantKeys.open(store, tmp_path), await GrantKeys.open(store, tmp_path)
    before = keys.mint_viewer("live/ch_1", tenant_id=TENANT)
    await keys.rotate()
    after = keys.mint_viewer("live/ch_1", tenant_id=TENANT)
    assert len(keys.jwks()["keys"]) == 2
    for minted in (before, after):
        Verifier(keys.jwks()).verify(minted.token, "live/ch_1")
    await other.refresh()
    assert other.jwks() == keys.jwks()


async def test_the_private_key_is_sealed_with_a_file_outside_the_store(store: Store, tmp_path: Path) -> None:
    keys = await GrantKeys.open(store, tmp_path)
    path = tmp_path / "secrets" / "grant-seal.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with store.session() as session:
        row = (await session.scalars(select(GrantKeyRecord))).one()
    private = Seal(path).open(row.private_sealed, row.id)
    assert private not in row.private_sealed
    with pytest.raises(WrongSeal):
        Seal(path).open(row.private_sealed, "another row")

    old = keys.mint_viewer("live/ch_1", tenant_id=TENANT)
    path.unlink()
    lost = await GrantKeys.open(store, tmp_path)
    new = lost.mint_viewer("live/ch_1", tenant_id=TENANT)
    for minted in (old, new):
        Verifier(lost.jwks()).verify(minted.token, "live/ch_1")
    path.write_bytes(b"short")
    with pytest.raises(WorldBroke, match="damaged"):
        await GrantKeys.open(store, tmp_path)


async def test_the_deny_list_is_kept_until_expiry(store: Store) -> None:
    soon = utc_now() + timedelta(minutes=5)
    async with store.transaction() as session:
        assert await deny_grant(session, "a", soon, "stolen")
        assert not await deny_grant(session, "a", soon, "again")
        assert not await deny_grant(session, "old", utc_now() - timedelta(seconds=1), "expired")
    async with store.session() as session:
        assert await denied_grants(session) == [Denial("jti a", soon)]


async def test_revoking_a_space_again_moves_its_time_and_takes_no_more_room(store: Store, tmp_path: Path) -> None:
    """Every process that opens the keys knows it, also one that starts later."""
    keys = await GrantKeys.open(store, tmp_path)
    grants = []
    for _ in range(2):
        grants.append(keys.mint_viewer("live/ch_1", tenant_id=TENANT, by="us_1").token)
        async with store.transaction() as session:
            await revoke_space(session, "live/ch_1", "a test")
    fresh = keys.mint_viewer("live/ch_1", tenant_id=TENANT).token
    async with store.session() as session:
        assert [denial.subject for denial in await denied_grants(session)] == ["root live/ch_1"]
    restarted = await GrantKeys.open(store, tmp_path)
    for grant in grants:
        with pytest.raises(NotAuthenticated, match="revoked"):
            restarted.verifier.verify(grant, "live/ch_1")
    restarted.verifier.verify(fresh, "live/ch_1")
