"""Takes usage from the bus into the store: acknowledged after the commit, so that a crash repeats and never loses."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import select

from skyriver.fabric.bus import Bus, StoredMessage, WorkStream, read_batches
from skyriver.fabric.bus.node_keys import SIGNATURE_HEADER, decode_public_key, is_signed_by
from skyriver.kernel.errors import SkyriverError
from skyriver.platform.ledger.facts import BadFact, UsageFact, read_fact, store_facts
from skyriver.platform.sites.records import NodeRecord
from skyriver.platform.store import Store

log = logging.getLogger("skyriver.ledger")

USAGE = WorkStream("USAGE", ("sky.usage.*",), reader="ledger", max_bytes=512 << 20)
RETRY_FIRST_S, RETRY_LAST_S = 0.2, 10.0


class UsageIntake:
    """Reads the usage stream for ever. Several processes may run one: each message goes to one of them."""

    def __init__(self, store: Store, bus: Bus, metrics: CollectorRegistry) -> None:
        self._store = store
        self._bus = bus
        self._stored = Counter("skyriver_usage_facts_stored", "Usage facts stored.", registry=metrics)
        self._repeated = Counter("skyriver_usage_facts_repeated", "Facts that were stored already.", registry=metrics)
        self._refused = Counter("skyriver_usage_messages_refused", "Forged or unreadable messages.", registry=metrics)

    async def run(self) -> None:
        async for batch in read_batches(self._bus, USAGE):
            retry_s = RETRY_FIRST_S
            while True:
                try:
                    await self._take(batch)
                    break
                except SkyriverError as error:
                    log.warning("Storing usage failed: %s Trying again; the bus keeps it meanwhile.", error)
                    await asyncio.sleep(retry_s)
                    retry_s = min(retry_s * 2, RETRY_LAST_S)

    async def _take(self, batch: Sequence[StoredMessage]) -> None:
        nodes = await self._nodes({_node_id(message) for message in batch})
        facts: list[UsageFact] = []
        refused: list[StoredMessage] = []
        for message in batch:
            found = self._read(message, nodes)
            if found is None:
                refused.append(message)
            else:
                facts.extend(found)
        async with self._store.transaction() as session:
            stored = await store_facts(session, facts)
        self._stored.inc(stored)
        self._repeated.inc(len(facts) - stored)
        self._refused.inc(len(refused))
        for message in batch:
            await (message.discard() if message in refused else message.ack())

    def _read(self, message: StoredMessage, nodes: dict[str, tuple[Ed25519PublicKey, str]]) -> list[UsageFact] | None:
        node = nodes.get(node_id := _node_id(message))
        headers = {SIGNATURE_HEADER: message.header(SIGNATURE_HEADER)}
        if node is None or not is_signed_by(node[0], message.subject, message.payload, headers):
            log.warning("Usage in the name of node %s is not signed by it; discarded.", node_id)
            return None
        try:
            bodies = json.loads(message.payload)["facts"]
        except (ValueError, KeyError, TypeError):
            log.warning("Usage of node %s is not JSON; discarded.", node_id)
            return None
        facts = []
        for body in bodies if isinstance(bodies, list) else ():
            try:
                facts.append(read_fact(body, node_id=node_id, site_id=node[1]))
            except BadFact as error:
                self._refused.inc()
                log.warning("%s It is left out.", error)
        return facts

    async def _nodes(self, node_ids: Iterable[str]) -> dict[str, tuple[Ed25519PublicKey, str]]:
        async with self._store.session() as session:
            rows = await session.scalars(select(NodeRecord).where(NodeRecord.id.in_(list(node_ids))))
            return {row.id: (decode_public_key(row.public_key), row.site_id) for row in rows}


def _node_id(message: StoredMessage) -> str:
    return message.subject.rpartition(".")[2]
