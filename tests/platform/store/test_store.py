"""The store's promises: what is acknowledged is kept, what fails is told in words, both databases behave alike."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import event, func, select, text

import skyriver
from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import InvalidInput, NotReady, WorldBroke
from skyriver.platform.identity.records import AuditRecord, LoginFailureRecord, TenantRecord
from skyriver.platform.store import Store


async def test_a_transaction_commits_when_its_block_ends_and_rolls_back_when_it_raises(store: Store) -> None:
    async with store.transaction() as session:
        session.add(TenantRecord(slug="kept", name="Kept"))
    with pytest.raises(RuntimeError):
        async with store.transaction() as session:
            session.add(TenantRecord(slug="lost", name="Lost"))
            await session.flush()
            raise RuntimeError
    async with store.session() as session:
        assert list(await session.scalars(select(TenantRecord.slug))) == ["kept"]


async def test_a_reading_session_changes_nothing(store: Store) -> None:
    async with store.session() as session:
        session.add(TenantRecord(slug="never", name="Never"))
        await session.flush()
    async with store.session() as session:
        assert (await session.scalars(select(func.count()).select_from(TenantRecord))).one() == 0


async def test_moments_come_back_aware_and_in_utc(store: Store) -> None:
    east = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    async with store.transaction() as session:
        session.add(TenantRecord(id="ten_1", slug="t", name="T", created_at=east))
    async with store.session() as session:
        found = (await session.get_one(TenantRecord, "ten_1")).created_at
        assert found == east
        assert found.tzinfo is UTC
        later = select(TenantRecord.id).where(TenantRecord.created_at > east - timedelta(microseconds=1))
        assert (await session.scalars(later)).all() == ["ten_1"]


async def test_a_naive_moment_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="naive datetime"):
        async with store.transaction() as session:
            session.add(TenantRecord(slug="t", name="T", created_at=datetime(2026, 1, 1)))


async def test_integers_are_64_bits_wide_and_wider_ones_are_the_callers_fault(store: Store) -> None:
    def failure(count: int) -> LoginFailureRecord:
        now = utc_now()
        return LoginFailureRecord(key_sha256=str(count), failures=count, last_failed_at=now, blocked_until=now)

    async with store.transaction() as session:
        session.add(failure(2**63 - 1))
    async with store.session() as session:
        assert (await session.scalars(select(LoginFailureRecord.failures))).one() == 2**63 - 1
    with pytest.raises(InvalidInput):
        async with store.transaction() as session:
            session.add(failure(2**63))


async def test_documents_come_back_as_they_went_in(store: Store) -> None:
    document = {"b": [1, 2.5, None, True], "a": {"天河": "ü"}}
    async with store.transaction() as session:
        session.add(TenantRecord(id="ten_1", slug="t", name="T"))
        await session.flush()
        session.add(
            AuditRecord(
                tenant_id="ten_1", actor_kind="user", actor_id="x", action="a", subject_id="s", details=document
            )
        )
    async with store.session() as session:
        assert (await session.scalars(select(AuditRecord.details))).one() == document


async def test_many_writers_at_once_all_succeed(store: Store) -> None:
    async def write(number: int) -> None:
        async with store.transaction() as session:
            before = (await session.scalars(select(func.count()).select_from(TenantRecord))).one()
            session.add(TenantRecord(slug=f"t{number}", name=str(before)))

    await asyncio.gather(*(write(number) for number in range(40)))
    async with store.session() as session:
        assert (await session.scalars(select(func.count()).select_from(TenantRecord))).one() == 40


_WRITER = """
import asyncio, sys
from skyriver.platform.identity.records import TenantRecord
from skyriver.platform.store import Store

async def main():
    store = Store(sys.argv[1])
    number = 0
    while True:
        async with store.transaction() as session:
            session.add(TenantRecord(slug=f"t{number}", name="T"))
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


async def test_nothing_that_was_acknowledged_is_lost_by_a_kill(store: Store, store_url: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(skyriver.__file__).parents[1])}
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITER, store_url, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    lines = [await writer.stdout.readline() for _ in range(25)]
    writer.send_signal(signal.SIGKILL)
    rest = await writer.stdout.read()
    await writer.wait()
    acknowledged = {f"t{int(line)}" for line in (*lines, *rest.split(b"\n")) if line.strip()}
    async with store.session() as session:
        found = set(await session.scalars(select(TenantRecord.slug)))
    assert acknowledged <= found
    await store.migrate()


async def test_a_full_disk_is_told_and_what_was_stored_stays(sqlite_store: Store) -> None:
    """SQLite answers SQLITE_FULL for real: its file is not allowed to grow beyond a few pages more."""

    def limit(connection: object, _record: object) -> None:
        connection.execute("PRAGMA max_page_count=1").close()  # type: ignore[attr-defined]  # means: not one page more

    async with sqlite_store.transaction() as session:
        session.add(TenantRecord(id="ten_1", slug="before", name="B"))
    await sqlite_store.engine.dispose()
    event.listen(sqlite_store.engine.sync_engine, "connect", limit)
    with pytest.raises(WorldBroke) as caught:
        async with sqlite_store.transaction() as session:
            session.add(TenantRecord(slug="large", name="x" * 1_000_000))
    assert caught.value.code == "disk_full"
    assert "Free space" in caught.value.hint
    async with sqlite_store.session() as session:
        assert list(await session.scalars(select(TenantRecord.slug))) == ["before"]


async def test_a_read_only_folder_is_told(unprivileged_folder: Path) -> None:
    store = Store(f"sqlite:///{unprivileged_folder / 'new.db'}")
    try:
        with pytest.raises(WorldBroke) as caught:
            await store.migrate()
        assert caught.value.code in ("cannot_open", "read_only")
        assert "writ" in caught.value.hint
    finally:
        await store.close()


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "skyriver.db"
    path.write_bytes(b"this is a letter to my grandmother, and no database" * 100)
    store = Store(f"sqlite:///{path}")
    try:
        with pytest.raises(WorldBroke) as caught:
            await store.migrate()
        assert caught.value.code == "store_damaged"
    finally:
        await store.close()
    assert path.read_bytes().startswith(b"this is a letter")


async def test_a_server_that_does_not_answer_is_told(unused_tcp_port: int) -> None:
    store = Store(f"postgresql://nobody:secret@127.0.0.1:{unused_tcp_port}/none")
    try:
        with pytest.raises(NotReady) as caught:
            await store.check()
        assert caught.value.code == "store_unreachable"
        assert "secret" not in str(caught.value)
    finally:
        await store.close()


async def test_a_server_that_dropped_every_connection_is_found_again(postgres_store: Store) -> None:
    await postgres_store.check()
    async with postgres_store.session() as session:
        await session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )
    await postgres_store.check()
    async with postgres_store.transaction() as session:
        session.add(TenantRecord(slug="after", name="A"))


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", ""])
def test_an_address_that_is_not_supported_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Store(url)
    assert "sqlite:///" in caught.value.hint
