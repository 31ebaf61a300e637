"""The component that delivers: finds what is due, claims it, sends it, writes down how it went.

Theory of operation
-------------------
    pending --(due: claimed, its next attempt pushed a lease ahead)--> being sent
    being sent --(2xx)--> delivered
    being sent --(anything else)--> pending again, later each time --(a day is over)--> dead
    being sent --(410, or the webhook failed too often)--> dead, and the webhook is disabled, with an alarm

A claim is a commit: an API process that dies in the middle of an attempt leaves a delivery that is due again when the
lease is over. So a message may arrive twice, and never not at all; its id tells. Several processes share the work:
a claim that another was faster with changes no row.

One slow receiver must not hold up the others: `PER_WEBHOOK` attempts at most are under way for each, and `PER_TENANT`
for all of a tenant's.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import SkyriverError
from skyriver.platform.alarms import AlarmDesk, Condition, Severity, Subject
from skyriver.platform.fabric_keys.seal import Seal, WrongSeal
from skyriver.platform.store import Store
from skyriver.platform.webhooks.model import (
    ALARM_AFTER_FAILURES,
    DeliveryState,
    is_to_disable,
    message_body,
    retry_pause_s,
)
from skyriver.platform.webhooks.records import WebhookDeliveryRecord, WebhookEventRecord, WebhookRecord
from skyriver.platform.webhooks.sending import Attempt, Message, Sender

log = logging.getLogger("skyriver.webhooks")

LOOK_EVERY_S = 1.0
IN_FLIGHT = 16
PER_WEBHOOK = 2
PER_TENANT = 6
LEASE = timedelta(seconds=60)  # several times the longest attempt
KEPT = timedelta(days=14)
FORGET_EVERY_S = 3600.0
ALARMS_EVERY_S = 10.0


@dataclass(frozen=True)
class Due:
    """One claimed delivery, with all that sending takes."""

    delivery_id: str
    webhook_id: str
    tenant_id: str
    url: str
    secret_sealed: bytes
    message: Message


class DeliveryWorker:
    """Delivers until cancelled."""

    def __init__(
        self,
        store: Store,
        seal: Seal,
        sender: Sender,
        desk: AlarmDesk,
        *,
        now: Callable[[], datetime] = utc_now,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._seal = seal
        self._sender = sender
        self._alarms = desk.source("webhooks")
        self._now = now
        self._jitter = jitter
        self._in_flight: Counter[str] = Counter()
        """By webhook, and by tenant in `_of_tenants`."""
        self._of_tenants: Counter[str] = Counter()
        self._wake = asyncio.Event()

    def nudge(self) -> None:
        """Look now rather than in a second."""
        self._wake.set()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_order())
                while True:
                    self._wake.clear()
                    for due in await self._claim_quietly():
                        self._begin(due)
                        tasks.create_task(self._deliver(due))
                    try:
                        async with asyncio.timeout(LOOK_EVERY_S):
                            await self._wake.wait()
                    except TimeoutError:
                        continue
        finally:
            self._in_flight.clear()
            self._of_tenants.clear()

    async def deliver_due(self) -> int:
        """Attempt everything that is due now, once; how many attempts that were. `run` does it again and again."""
        claimed = await self._claim()
        for due in claimed:
            self._begin(due)
        for due in claimed:
            await self._deliver(due)
        return len(claimed)

    async def look_for_alarms(self) -> None:
        """Raise or clear the alarms of webhooks that fail or were disabled for failing."""
        async with self._store.session() as session:
            failing = WebhookRecord.failures >= ALARM_AFTER_FAILURES
            rows = (await session.scalars(select(WebhookRecord).where(failing))).all()
        await self._alarms.look([_condition(webhook) for webhook in rows])

    async def forget_old(self) -> None:
        """Delete events that are two weeks old, with their deliveries."""
        async with self._store.transaction() as session:
            old = WebhookEventRecord.created_at < self._now() - KEPT
            await session.execute(delete(WebhookEventRecord).where(old))

    # --- claiming ---------------------------------------------------------------------------------------------------

    async def _claim_quietly(self) -> list[Due]:
        try:
            return await self._claim()
        except SkyriverError as error:
            log.warning("Looking for webhooks to deliver failed, and is tried again: %s", error)
            return []

    async def _claim(self) -> list[Due]:
        room = IN_FLIGHT - self._in_flight.total()
        if room <= 0:
            return []
        now = self._now()
        async with self._store.session() as session:  # nearly always there is nothing: no write for that
            candidates = await self._candidates(session, now, room)
        if not candidates:
            return []
        async with self._store.transaction() as session:
            return [due for row in candidates if (due := await self._take(session, row, now)) is not None]

    async def _candidates(self, session: AsyncSession, now: datetime, room: int) -> list[WebhookDeliveryRecord]:
        full = [webhook_id for webhook_id, count in self._in_flight.items() if count >= PER_WEBHOOK]
        served = [tenant_id for tenant_id, count in self._of_tenants.items() if count >= PER_TENANT]
        query = (
            select(WebhookDeliveryRecord, WebhookRecord.tenant_id)
            .join(WebhookRecord, WebhookRecord.id == WebhookDeliveryRecord.webhook_id)
            .where(
                WebhookDeliveryRecord.state == DeliveryState.PENDING.value,
                WebhookDeliveryRecord.next_attempt_at <= now,
                WebhookDeliveryRecord.webhook_id.not_in(full),
                WebhookRecord.tenant_id.not_in(served),
            )
            .order_by(WebhookDeliveryRecord.next_attempt_at, WebhookDeliveryRecord.id)
            .limit(IN_FLIGHT * 8)
        )
        chosen: list[WebhookDeliveryRecord] = []
        counts, of_tenants = Counter(self._in_flight), Counter(self._of_tenants)
        for row, tenant_id in await session.execute(query):
            free = counts[row.webhook_id] < PER_WEBHOOK and of_tenants[tenant_id] < PER_TENANT
            if free and len(chosen) < room:
                counts[row.webhook_id] += 1
                of_tenants[tenant_id] += 1
                chosen.append(row)
        return chosen

    async def _take(self, session: AsyncSession, row: WebhookDeliveryRecord, now: datetime) -> Due | None:
        webhook = await session.get(WebhookRecord, row.webhook_id)
        event = await session.get(WebhookEventRecord, row.event_id)
        if webhook is None or event is None:
            return None
        mine = (WebhookDeliveryRecord.id == row.id, WebhookDeliveryRecord.attempts == row.attempts)
        fresh = {"attempts": row.attempts + 1, "last_attempt_at": now, "next_attempt_at": now + LEASE}
        if webhook.disabled_at is not None:
            fresh = {"state": DeliveryState.DEAD.value, "last_error": "The webhook is disabled."}
        claimed = await session.execute(
            update(WebhookDeliveryRecord).where(*mine).values(**fresh).returning(WebhookDeliveryRecord.id)
        )
        if claimed.scalar() is None or webhook.disabled_at is not None:
            return None
        message = Message(event.id, message_body(event.type, event.created_at, event.data))
        return Due(row.id, webhook.id, webhook.tenant_id, webhook.url, webhook.secret_sealed, message)

    # --- sending ----------------------------------------------------------------------------------------------------

    async def _deliver(self, due: Due) -> None:
        try:
            try:
                secret = self._seal.open(due.secret_sealed, due.webhook_id).decode()
                attempt = await self._sender.send(due.url, secret, due.message)
            except WrongSeal as error:
                attempt = Attempt(None, error.message, 0)
            await self._write(due, attempt)
        except SkyriverError as error:
            log.warning("Writing down how a webhook's delivery went failed; it is sent again later: %s", error)
        finally:
            self._in_flight[due.webhook_id] -= 1
            self._of_tenants[due.tenant_id] -= 1
            self._in_flight, self._of_tenants = +self._in_flight, +self._of_tenants  # only what is above zero
            self._wake.set()

    def _begin(self, due: Due) -> None:
        self._in_flight[due.webhook_id] += 1
        self._of_tenants[due.tenant_id] += 1

    async def _write(self, due: Due, attempt: Attempt) -> None:
        now = self._now()
        async with self._store.transaction() as session:
            delivery = await session.get(WebhookDeliveryRecord, due.delivery_id)
            webhook = await session.get(WebhookRecord, due.webhook_id, with_for_update=True)
            if delivery is None or webhook is None:
                return  # deleted meanwhile
            delivery.last_status, delivery.last_error = attempt.status, attempt.error
            delivery.duration_ms = attempt.duration_ms
            if attempt.delivered:
                delivery.state = DeliveryState.DELIVERED.value
                webhook.failures, webhook.failing_since = 0, None
                return
            webhook.failures += 1
            webhook.failing_since = webhook.failing_since or now
            if attempt.gone or is_to_disable(webhook.failures, webhook.failing_since, now):
                webhook.disabled_at = now
                webhook.disabled_reason = _why_disabled(webhook, attempt)
                webhook.failures = max(webhook.failures, ALARM_AFTER_FAILURES)
                await _give_up_on(session, webhook)
            pause = timedelta(seconds=retry_pause_s(delivery.attempts, self._jitter))
            delivery.next_attempt_at = now + pause
            if webhook.disabled_at is not None or delivery.next_attempt_at >= delivery.give_up_at:
                delivery.state = DeliveryState.DEAD.value

    async def _keep_order(self) -> None:
        forget_in_s = 0.0
        while True:
            try:
                await self.look_for_alarms()
                if forget_in_s <= 0:
                    forget_in_s = FORGET_EVERY_S
                    await self.forget_old()
            except SkyriverError as error:
                log.warning("Keeping webhooks in order failed, and is tried again: %s", error)
            forget_in_s -= ALARMS_EVERY_S
            await asyncio.sleep(ALARMS_EVERY_S)


async def _give_up_on(session: AsyncSession, webhook: WebhookRecord) -> None:
    waiting = (
        WebhookDeliveryRecord.webhook_id == webhook.id,
        WebhookDeliveryRecord.state == DeliveryState.PENDING.value,
    )
    await session.execute(
        update(WebhookDeliveryRecord)
        .where(*waiting)
        .values(state=DeliveryState.DEAD.value)
        .execution_options(synchronize_session=False)
    )


def _why_disabled(webhook: WebhookRecord, attempt: Attempt) -> str:
    if attempt.gone:
        return "The receiver answered 410 (gone)."
    return f"{webhook.failures} attempts in a row failed; the last one: {attempt.error or attempt.status}"[:300]


def _condition(webhook: WebhookRecord) -> Condition:
    off = webhook.disabled_at is not None
    text = f"The webhook {webhook.name} was disabled: {webhook.disabled_reason}"
    return Condition(
        webhook.tenant_id,
        "webhook_disabled" if off else "webhook_failing",
        Severity.CRITICAL if off else Severity.WARNING,
        Subject("webhook", webhook.id, webhook.name),
        text if off else f"The webhook {webhook.name} fails: {webhook.failures} attempts in a row.",
        "Repair the receiver, then enable the webhook and redeliver what it missed."
        if off
        else "Its delivery log says what the receiver answered.",
    )
