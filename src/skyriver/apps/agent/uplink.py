"""What a node tells the cloud over the bus: heartbeats, events of workloads, usage. All of it signed with its key."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
import sqlite3
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from skyriver.apps.agent.identity import Identity
from skyriver.apps.agent.measure import Measure
from skyriver.apps.agent.reconcile import Slot, Wanted
from skyriver.apps.agent.usage_spool import UsageSpool
from skyriver.fabric.bus import Bus, BusDown
from skyriver.fabric.bus.node_keys import sign_message

log = logging.getLogger("skyriver.agent")

BEAT_S = 0.25
EVENT_QUEUE = 512  # overflow drops the oldest: what events say is repeated by heartbeats
USAGE_BATCH = 200
USAGE_TIMEOUT_S = 5.0
USAGE_RETRY_FIRST_S, USAGE_RETRY_LAST_S = 0.2, 5.0


class Heart:
    """Beats four times a second. A beat that cannot be sent is not kept: the next one says more."""

    def __init__(self, identity: Identity, bus: Bus, slots: Mapping[str, Slot], measure: Measure) -> None:
        self._identity = identity
        self._bus = bus
        self._slots = slots
        self._measure = measure
        self._boot = secrets.token_hex(8)
        self._seq = 0
        self.plan_generation = 0

    async def run(self) -> None:
        due_s = time.monotonic()
        while True:
            await self.beat()
            # From the time it was due, not from now, or the rhythm would slip with every slow send.
            due_s = max(due_s + BEAT_S, time.monotonic() - BEAT_S)
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    async def beat(self) -> None:
        """Send one heartbeat."""
        self._seq += 1
        cpu, memory_bytes = self._measure.total()
        body = {
            "node_id": self._identity.node_id,
            "boot": self._boot,
            "seq": self._seq,
            "at_us": time.time_ns() // 1000,
            "plan_generation": self.plan_generation,
            "cpu": cpu,
            "memory_bytes": memory_bytes,
            "workloads": [self._line(id_, slot) for id_, slot in self._slots.items() if not slot.stays],
            "staying": [self._stay_line(slot) for slot in self._slots.values() if slot.stays],
        }
        subject = f"sky.hb.{self._identity.node_id}"
        payload = json.dumps(body, separators=(",", ":")).encode()
        await self._bus.publish(subject, payload, sign_message(self._identity.key, subject, payload))

    def _line(self, workload_id: str, slot: Slot) -> dict[str, Any]:
        return {
            "id": workload_id,
            "kind": slot.workload.kind,
            "generation": slot.workload.generation,
            "state": slot.state,
            "pid": slot.pid,
            "restarts": slot.restarts,
            "ready": slot.ready or {},
            "metrics": {**self._measure.of(slot.pid), **slot.metrics},
        }

    @staticmethod
    def _stay_line(slot: Slot) -> dict[str, Any]:
        """Work that is no longer ours, of which we still have something (see `reconcile`)."""
        return {"name": slot.workload.name, "restarts": slot.restarts, "trouble": slot.metrics.get("trouble")}


class EventSender:
    """Passes workloads' events on. Lossy, bounded, in order."""

    def __init__(self, identity: Identity, bus: Bus) -> None:
        self._identity = identity
        self._bus = bus
        self._waiting: deque[tuple[Wanted, dict[str, Any]]] = deque(maxlen=EVENT_QUEUE)
        self._arrived = asyncio.Event()

    def offer(self, workload: Wanted, event: dict[str, Any]) -> None:
        self._waiting.append((workload, event))
        self._arrived.set()

    async def run(self) -> None:
        subject = f"sky.event.{self._identity.node_id}"
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                workload, event = self._waiting.popleft()
                body = {"workload_id": workload.id, "generation": workload.generation, "event": event}
                payload = json.dumps(body, separators=(",", ":")).encode()
                await self._bus.publish(subject, payload, sign_message(self._identity.key, subject, payload))


class UsageSender:
    """Moves facts from the spool to the bus: removed only after JetStream has acknowledged them."""

    def __init__(self, identity: Identity, bus: Bus, spool: UsageSpool) -> None:
        self._identity = identity
        self._bus = bus
        self._spool = spool

    async def run(self) -> None:
        retry_s = USAGE_RETRY_FIRST_S
        while True:
            await self._spool.wait_stored()
            await self._bus.wait_connected()
            try:
                await self.send_batch()
                retry_s = USAGE_RETRY_FIRST_S
            except (BusDown, sqlite3.Error) as error:
                log.debug("usage stays spooled: %s", error)
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, USAGE_RETRY_LAST_S)

    async def send_batch(self) -> int:
        """Send the oldest facts; how many those were.

        Raises:
            BusDown: not acknowledged; they stay.
        """
        batch = await self._spool.oldest(USAGE_BATCH)
        if not batch:
            return 0
        subject = f"sky.usage.{self._identity.node_id}"
        payload = json.dumps({"facts": [fact for _, fact in batch]}, separators=(",", ":")).encode()
        await self._bus.publish_stored(
            subject,
            payload,
            message_id=hashlib.sha256(payload).hexdigest(),
            timeout=USAGE_TIMEOUT_S,
            headers=sign_message(self._identity.key, subject, payload),
        )
        await self._spool.remove([number for number, _ in batch])
        return len(batch)
