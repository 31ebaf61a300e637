"""The spool on a real disk."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from skyriver.apps.agent.usage_spool import UsageSpool
from skyriver.kernel.errors import WorldBroke


def fact(seq: Any, source: Any = "s") -> dict[str, Any]:
    return {"source": source, "seq": seq, "bytes_sent": 1}


async def test_facts_survive_a_restart_in_order_and_once(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = UsageSpool(path)
    for seq in (1, 2, 2, 3):
        spool.add(fact(seq))
    await spool.flush()
    spool.close()
    spool = UsageSpool(path)
    spool.add(fact(3))
    await spool.flush()
    await spool.wait_stored()
    rows = await spool.oldest(2)
    assert ([body["seq"] for _, body in rows], spool.waiting) == ([1, 2], 3)
    await spool.remove([number for number, _ in rows])
    assert [body["seq"] for _, body in await spool.oldest(10)] == [3]
    spool.close()


async def test_what_was_not_removed_is_waited_for_again(tmp_path: Path) -> None:
    spool = UsageSpool(tmp_path / "spool.db")
    running = asyncio.ensure_future(spool.run())
    spool.add(fact(1))
    async with asyncio.timeout(10):
        await spool.wait_stored()
    (row,) = await spool.oldest(10)
    await spool.wait_stored()
    await spool.remove([row[0]])
    assert await spool.oldest(10) == []
    assert not spool._stored.is_set()
    running.cancel()
    spool.close()


async def test_a_disk_that_takes_nothing_keeps_facts_in_memory_and_says_when_it_loses_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = UsageSpool(tmp_path / "spool.db")
    pages = spool._database.execute("PRAGMA page_count").fetchone()[0]
    spool._database.execute(f"PRAGMA max_page_count={pages}")  # SQLite's own way to say that the disk is full
    spool.add({**fact(1), "padding": "x" * 20_000})
    with pytest.raises(sqlite3.Error, match="full"):
        await spool.flush()
    monkeypatch.setattr("skyriver.apps.agent.usage_spool.MAX_IN_MEMORY", 3)
    for seq in (2, 3, 4):
        spool.add(fact(seq))
    assert spool.lost == 1
    spool._database.execute(f"PRAGMA max_page_count={pages + 100}")
    await spool.flush()
    assert [body["seq"] for _, body in await spool.oldest(10)] == [2, 3, 4]
    spool.close()


async def test_what_is_no_fact_is_left_out(tmp_path: Path) -> None:
    spool = UsageSpool(tmp_path / "spool.db")
    spool.add({"source": "s"})
    spool.add(fact({"a": 1}))
    spool.add(fact(1, source=None))
    await spool.flush()
    assert await spool.oldest(10) == []
    spool.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorldBroke, match="usage spool"):
        UsageSpool(tmp_path / "file" / "spool.db")
