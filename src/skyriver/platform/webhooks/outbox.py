"""The outbox: an event is written with the fact that it tells of, in one transaction; sending comes later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from skyriver.kernel.clock import utc_now
from skyriver.platform.webhooks.model import DATA_BYTES_MAX, GIVE_UP_AFTER, wants
from skyriver.platform.webhooks.records import WebhookDeliveryRecord, WebhookEventRecord, WebhookRecord


async def publish_event(session: AsyncSession, tenant_id: str, event_type: str, data: Mapping[str, Any]) -> str | None:
    """Have a tenant's webhooks told of something, once this transaction is committed; never if it is not.

    Args:
        event_type: one that a part or a service has declared, e.g. `channel.live`.
        data: what is the case, JSON-able. Never a secret: it leaves the cloud.

    Returns:
        the event's id; None where no webhook wants to hear of it, and nothing is written.
    """
    query = select(WebhookRecord).where(WebhookRecord.tenant_id == tenant_id, WebhookRecord.disabled_at.is_(None))
    webhooks = [webhook for webhook in await session.scalars(query) if wants(webhook.event_types, event_type)]
    if not webhooks:
        return None
    return await write_event(session, tenant_id, event_type, data, webhooks)


async def write_event(
    session: AsyncSession,
    tenant_id: str,
    event_type: str,
    data: Mapping[str, Any],
    webhooks: list[WebhookRecord],
) -> str:
    """One event, to be delivered to exactly these webhooks."""
    size_bytes = len(json.dumps(data))
    if size_bytes > DATA_BYTES_MAX:
        raise ValueError(f"The event {event_type} carries {size_bytes} bytes; {DATA_BYTES_MAX} is the most.")
    event = WebhookEventRecord(tenant_id=tenant_id, type=event_type, data=dict(data))
    session.add(event)
    await session.flush()
    give_up_at = utc_now() + GIVE_UP_AFTER
    session.add_all(WebhookDeliveryRecord(event_id=event.id, webhook_id=w.id, give_up_at=give_up_at) for w in webhooks)
    await session.flush()
    return event.id
