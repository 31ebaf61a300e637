"""What a principal can do with its tenant's webhooks. Each in the caller's transaction, with an audit line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.kernel.errors import Conflict, InvalidInput, NotFound
from skyriver.kernel.ids import new_id
from skyriver.platform.fabric_keys.seal import Seal
from skyriver.platform.identity import Principal, record_audit
from skyriver.platform.webhooks.addresses import read_url, shown_url
from skyriver.platform.webhooks.model import (
    GIVE_UP_AFTER,
    TEST_EVENT,
    WEBHOOKS_PER_TENANT_MAX,
    DeliveryState,
    EventType,
    new_signing_secret,
)
from skyriver.platform.webhooks.outbox import write_event
from skyriver.platform.webhooks.records import WebhookDeliveryRecord, WebhookEventRecord, WebhookRecord


class WebhookNotFound(NotFound):
    code = "webhook_not_found"

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"There is no webhook {webhook_id}.", hint="GET /v1/webhooks lists them.")


class DeliveryNotFound(NotFound):
    code = "delivery_not_found"

    def __init__(self, delivery_id: str) -> None:
        super().__init__(
            f"This webhook has no delivery {delivery_id}.", hint="Deliveries are kept for two weeks; list them."
        )


class TooManyWebhooks(Conflict):
    code = "too_many_webhooks"

    def __init__(self) -> None:
        super().__init__(
            f"A tenant can have {WEBHOOKS_PER_TENANT_MAX} webhooks, and you have them all.", hint="Delete one first."
        )


class WebhookDisabled(Conflict):
    code = "webhook_disabled"

    def __init__(self) -> None:
        super().__init__("This webhook is disabled, so nothing is sent to it.", hint="Enable it first.")


class UnknownEventType(InvalidInput):
    code = "unknown_event_type"

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(
            f"There are no events called {', '.join(sorted(names))}.", hint="GET /v1/webhook-events lists all of them."
        )


class WebhookSeal(Seal):
    """Seals the secrets that messages are signed with, with a key file of its own."""


@dataclass(frozen=True)
class EventCatalog:
    """Every event that this cloud can tell of, by what its parts and services have declared."""

    types: tuple[EventType, ...]

    def check(self, names: Iterable[str]) -> list[str]:
        """The names, sorted and once each.

        Raises:
            UnknownEventType.
        """
        wanted = set(names)
        if unknown := wanted - {event_type.name for event_type in self.types}:
            raise UnknownEventType(unknown)
        return sorted(wanted)


def webhooks_of(caller: Principal) -> Select[WebhookRecord]:
    return select(WebhookRecord).where(WebhookRecord.tenant_id == caller.tenant_id)


async def find_webhook(session: AsyncSession, caller: Principal, webhook_id: str) -> WebhookRecord:
    """A webhook of the caller's tenant.

    Raises:
        WebhookNotFound.
    """
    webhook = await session.scalar(webhooks_of(caller).where(WebhookRecord.id == webhook_id))
    if webhook is None:
        raise WebhookNotFound(webhook_id)
    return webhook


async def create_webhook(
    session: AsyncSession, caller: Principal, seal: Seal, *, name: str, url: str, event_types: list[str]
) -> tuple[WebhookRecord, str]:
    """A new webhook, and the secret that its messages are signed with: shown this once, kept sealed.

    Raises:
        BadWebhookUrl, TooManyWebhooks.
    """
    read_url(url)
    count = await session.scalar(select(func.count()).select_from(webhooks_of(caller).subquery())) or 0
    if count >= WEBHOOKS_PER_TENANT_MAX:
        raise TooManyWebhooks
    webhook = WebhookRecord(
        id=new_id("wh"), tenant_id=caller.tenant_id, name=name, url=url, event_types=event_types, secret_sealed=b""
    )
    secret = _give_secret(webhook, seal)
    session.add(webhook)
    await session.flush()
    record_audit(session, caller, "webhook.created", webhook.id, name=name, url=shown_url(url))
    return webhook, secret


async def change_webhook(
    session: AsyncSession,
    caller: Principal,
    webhook: WebhookRecord,
    *,
    name: str | None = None,
    url: str | None = None,
    event_types: list[str] | None = None,
    enabled: bool | None = None,
) -> WebhookRecord:
    """Change what is given. Enabling forgives all failures.

    Raises:
        BadWebhookUrl.
    """
    given: dict[str, Any] = {"name": name, "url": url, "event_types": event_types, "enabled": enabled}
    changed = {field: value for field, value in given.items() if value is not None}
    if url is not None:
        read_url(url)
        webhook.url = url
    if name is not None:
        webhook.name = name
    if event_types is not None:
        webhook.event_types = event_types
    if enabled is not None:
        webhook.disabled_at = None if enabled else webhook.disabled_at or utc_now()
        webhook.disabled_reason = "" if enabled else webhook.disabled_reason or "Disabled by hand."
        if enabled:
            webhook.failures, webhook.failing_since = 0, None
    await session.flush()
    if changed:
        shown = {"url": shown_url(url)} if url is not None else {}
        record_audit(session, caller, "webhook.changed", webhook.id, **changed | shown)
    return webhook


async def delete_webhook(session: AsyncSession, caller: Principal, webhook: WebhookRecord) -> None:
    """Remove a webhook with its deliveries; what waits is not sent any more."""
    await session.delete(webhook)
    record_audit(session, caller, "webhook.deleted", webhook.id, name=webhook.name, url=shown_url(webhook.url))


async def rotate_secret(session: AsyncSession, caller: Principal, seal: Seal, webhook: WebhookRecord) -> str:
    """A new secret; messages are signed with it from the next attempt on."""
    secret = _give_secret(webhook, seal)
    await session.flush()
    record_audit(session, caller, "webhook.secret_rotated", webhook.id)
    return secret


async def send_test(session: AsyncSession, caller: Principal, webhook: WebhookRecord) -> WebhookDeliveryRecord:
    """Send a test event to one webhook, whatever its filter says.

    Raises:
        WebhookDisabled.
    """
    if webhook.disabled_at is not None:
        raise WebhookDisabled
    data = {"message": "This is a test.", "webhook_id": webhook.id, "asked_by": caller.id}
    event_id = await write_event(session, webhook.tenant_id, TEST_EVENT.name, data, [webhook])
    query = select(WebhookDeliveryRecord).where(WebhookDeliveryRecord.event_id == event_id)
    return (await session.scalars(query)).one()


Delivery = tuple[WebhookDeliveryRecord, WebhookEventRecord]


async def find_delivery(session: AsyncSession, webhook: WebhookRecord, delivery_id: str) -> Delivery:
    """A delivery to this webhook, with its event.

    Raises:
        DeliveryNotFound.
    """
    query = (
        select(WebhookDeliveryRecord, WebhookEventRecord)
        .join(WebhookEventRecord, WebhookEventRecord.id == WebhookDeliveryRecord.event_id)
        .where(WebhookDeliveryRecord.webhook_id == webhook.id, WebhookDeliveryRecord.id == delivery_id)
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        raise DeliveryNotFound(delivery_id)
    return found[0], found[1]


async def redeliver(
    session: AsyncSession, caller: Principal, webhook: WebhookRecord, delivery_id: str, now: datetime
) -> Delivery:
    """Send something again, with its old id: a receiver that has it already can tell.

    Raises:
        DeliveryNotFound, WebhookDisabled.
    """
    delivery, event = await find_delivery(session, webhook, delivery_id)
    if webhook.disabled_at is not None:
        raise WebhookDisabled
    delivery.state, delivery.attempts = DeliveryState.PENDING.value, 0
    delivery.next_attempt_at, delivery.give_up_at = now, now + GIVE_UP_AFTER
    await session.flush()
    record_audit(session, caller, "webhook.redelivered", webhook.id, delivery_id=delivery.id, event_id=event.id)
    return delivery, event


def _give_secret(webhook: WebhookRecord, seal: Seal) -> str:
    secret = new_signing_secret()
    webhook.secret_sealed = seal.close(secret.encode(), webhook.id)
    return secret
