"""Usage facts on this node's disk until the bus has them: nothing is lost while it is away, nothing is stored twice.

A fact is named by (source, seq); the spool, the bus and the ledger each ignore one they have already.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from skyriver.kernel.errors import WorldBroke

log = logging.getLogger("skyriver.agent")

T = TypeVar("T")
MAX_IN_MEMORY = 50_000  # about 20 MB: half an hour of a full node's facts, if its disk does not take them
RETRY_S = 1.0


class UsageSpool:
    """An SQLite file. `add` never waits; `run` writes what was added."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # One thread, so that the connection is never in two hands, also not when a waiter is cancelled.
        self._worker = ThreadPoolExecutor(1, "usage-spool")
        self._incoming: deque[dict[str, Any]] = deque()
        self._arrived = asyncio.Event()
        self._stored = asyncio.Event()
        self.lost = 0
        """Facts dropped because the disk took none for a long time. Anything but 0 is an alarm."""
        self.waiting = 0
        """Facts on the disk that the bus has not acknowledged."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS facts (source TEXT, seq INTEGER, body TEXT, UNIQUE (source, seq))"
            )
            self.waiting = self._database.execute("SELECT count(*) FROM facts").fetchone()[0]
        except (OSError, sqlite3.Error) as error:
            raise WorldBroke(
                f"Opening the usage spool {path} failed: {error}.",
                hint="Free space on the disk or make the folder writable; a damaged file has to be moved away.",
            ) from error
        if self.waiting:
            self._stored.set()

    def add(self, fact: dict[str, Any]) -> None:
        """Take a fact from a workload. Never waits: a full disk must not stop a relay."""
        if not isinstance(fact.get("source"), str) or not isinstance(fact.get("seq"), int):
            log.error("A workload reported usage without a source and a number; it is dropped.")
            return
        if len(self._incoming) >= MAX_IN_MEMORY:
            self._incoming.popleft()
            self.lost += 1
        self._incoming.append(fact)
        self._arrived.set()

    async def run(self) -> None:
        """Write what is added, batch by batch, until cancelled."""
        while True:
            await self._arrived.wait()
            try:
                await self.flush()
            except sqlite3.Error as error:
                log.error("Writing usage to %s failed: %s. It is kept in memory.", self._path, error)
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """Write everything that was added so far.

        Raises:
            sqlite3.Error: the disk does not take it; it stays in memory.
        """
        self._arrived.clear()
        batch, self._incoming = self._incoming, deque()
        try:
            await self._in_worker(lambda: self._write(list(batch)))
        except sqlite3.Error:
            batch.extend(self._incoming)
            self._incoming = batch
            self._arrived.set()
            raise
        if self.waiting:
            self._stored.set()

    async def _in_worker(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _write(self, batch: list[dict[str, Any]]) -> None:
        rows = [(fact["source"], fact["seq"], json.dumps(fact, separators=(",", ":"))) for fact in batch]
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?)", rows)
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # a full disk has rolled it back already
                self._database.execute("ROLLBACK")
            raise
        self.waiting = self._database.execute("SELECT count(*) FROM facts").fetchone()[0]

    async def wait_stored(self) -> None:
        """Until there is something to send."""
        await self._stored.wait()

    async def oldest(self, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """The oldest facts with their row numbers."""
        self._stored.clear()
        rows = await self._in_worker(lambda: self._read(limit))
        if rows:
            self._stored.set()
        return [(number, json.loads(body)) for number, body in rows]

    def _read(self, limit: int) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = self._database.execute(
            "SELECT rowid, body FROM facts ORDER BY rowid LIMIT ?", (limit,)
        ).fetchall()
        return found

    async def remove(self, numbers: list[int]) -> None:
        """Forget facts that the bus has acknowledged."""
        await self._in_worker(lambda: self._delete(numbers))

    def _delete(self, numbers: list[int]) -> None:
        self._database.executemany("DELETE FROM facts WHERE rowid = ?", [(number,) for number in numbers])
        self.waiting = self._database.execute("SELECT count(*) FROM facts").fetchone()[0]

    def close(self) -> None:
        """Finish what the thread is at, and close the file."""
        self._worker.submit(self._database.close)
        self._worker.shutdown(wait=True)
