"""Bootstrap, passwords, secrets and roles."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import TooMany
from skyriver.kernel.logs import scrub
from skyriver.platform.identity import ROLES, Passwords, bootstrap, new_secret, principal_of, role_covers, secret_kind
from skyriver.platform.identity.api_keys import USE_NOTED_EVERY, note_use
from skyriver.platform.identity.errors import WeakPassword, WrongCredentials
from skyriver.platform.identity.passwords import HASHING_WAITING
from skyriver.platform.identity.records import ApiKeyRecord, TenantRecord, UserRecord
from skyriver.platform.identity.sessions import SESSION_LIFE, sign_in
from skyriver.platform.store import Store
from tests.clouds import cheap_passwords


async def test_the_first_run_makes_an_operator_who_can_sign_in(store: Store) -> None:
    passwords = cheap_passwords()
    login = await bootstrap(store, passwords)
    assert login is not None
    now = utc_now()
    signed_in = await sign_in(
        store, passwords, email=login.email.upper(), password=login.password, tenant=None, address="::1", now=now
    )
    async with store.session() as session:
        by_session = await principal_of(session, signed_in.token, now)
        by_key = await principal_of(session, login.api_key, now)
        late = await principal_of(session, signed_in.token, now + SESSION_LIFE)
    assert by_session is not None and by_session.is_operator and by_session.role == "owner"
    assert by_key is not None and by_key.is_operator and by_key.tenant_id == by_session.tenant_id
    assert late is None


async def test_the_first_run_happens_once_even_when_several_start_at_once(store: Store) -> None:
    made = await asyncio.gather(*(bootstrap(store, cheap_passwords()) for _ in range(4)))
    assert sum(login is not None for login in made) == 1
    assert await bootstrap(store, cheap_passwords()) is None
    async with store.session() as session:
        assert len(list(await session.scalars(select(TenantRecord)))) == 1


async def test_no_secret_lies_in_the_store(store: Store) -> None:
    login = await bootstrap(store, cheap_passwords())
    assert login is not None
    async with store.session() as session:
        user = (await session.scalars(select(UserRecord))).one()
        key = (await session.scalars(select(ApiKeyRecord))).one()
    assert user.password_hash.startswith("$argon2id$")
    assert login.password not in user.password_hash
    assert login.api_key not in key.secret_sha256 and len(key.secret_sha256) == 64
    assert login.password not in repr(login) and login.api_key not in repr(login)


async def test_wrong_passwords_unknown_people_and_wrong_tenants_look_alike(store: Store) -> None:
    passwords = cheap_passwords()
    login = await bootstrap(store, passwords)
    assert login is not None
    messages = set()
    for email, password, tenant in (
        (login.email, "wrong password", None),
        ("nobody@nowhere.test", login.password, None),
        (login.email, login.password, "other"),
    ):
        with pytest.raises(WrongCredentials) as caught:
            await sign_in(store, passwords, email=email, password=password, tenant=tenant, address="::1", now=utc_now())
        messages.add(str(caught.value))
    assert len(messages) == 1


async def test_the_use_of_a_key_is_noted_now_and_then(store: Store) -> None:
    await bootstrap(store, cheap_passwords())
    now = utc_now()

    async def used(at_s: float) -> float:
        async with store.transaction() as session:
            key_id = (await session.scalars(select(ApiKeyRecord.id))).one()
            await note_use(session, key_id, now + timedelta(seconds=at_s))
        async with store.session() as session:
            noted = (await session.scalars(select(ApiKeyRecord.last_used_at))).one()
        assert noted is not None
        return (noted - now).total_seconds()

    assert await used(0) == 0
    assert await used(30) == 0
    late_s = USE_NOTED_EVERY.total_seconds() + 1
    assert await used(late_s) == late_s


@pytest.mark.parametrize("password", ["", "short", "a" * 40, "ab" * 20, "x" * 300])
async def test_passwords_that_can_be_guessed_are_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        await cheap_passwords().hash(password)


async def test_a_password_fits_its_own_hash_only() -> None:
    passwords = Passwords()  # the real parameters, once
    stored = await passwords.hash("correct horse battery")
    assert "m=65536,t=3" in stored
    assert await passwords.verify(stored, "correct horse battery")
    assert not await passwords.verify(stored, "correct horse batterz")
    assert not await passwords.verify("no hash at all", "correct horse battery")
    assert not await passwords.verify(None, "correct horse battery")


async def test_hashing_has_a_bounded_line() -> None:
    passwords = cheap_passwords()
    results = await asyncio.gather(
        *(passwords.verify(None, "guess number one") for _ in range(HASHING_WAITING + 10)), return_exceptions=True
    )
    assert sum(isinstance(result, TooMany) for result in results) == 10
    assert await passwords.verify(None, "guess number two") is False


def test_secrets_say_what_they_open_and_are_scrubbed_from_logs() -> None:
    secret = new_secret("key")
    assert secret.startswith("sky_key_") and len(secret) == len("sky_key_") + 43
    assert secret_kind(secret) == "key"
    assert secret_kind("eyJhbGciOi") is None
    assert secret not in scrub(f"used {secret} today")


def test_roles_are_ordered() -> None:
    for held_at, held in enumerate(ROLES):
        for needed_at, needed in enumerate(ROLES):
            assert role_covers(held, needed) == (held_at <= needed_at)
