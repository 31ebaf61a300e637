"""Routes of webhooks. Admins only: a webhook takes what happens in a tenant out of the cloud."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from skyriver.platform.web import (
    Admin,
    Body,
    Caller,
    Name,
    Once,
    Page,
    Paging,
    Provided,
    Reader,
    RuntimeDep,
    Writer,
    fetch_page,
    problems,
)
from skyriver.platform.webhooks import service
from skyriver.platform.webhooks.delivery import DeliveryWorker
from skyriver.platform.webhooks.model import URL_CHARS_MAX, DeliveryState
from skyriver.platform.webhooks.records import WebhookDeliveryRecord, WebhookEventRecord, WebhookRecord
from skyriver.platform.webhooks.service import EventCatalog, WebhookSeal

router = APIRouter(prefix="/v1", tags=["webhooks"])

WebhookId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,64}$", description="A webhook's id.")]
DeliveryId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,64}$", description="A delivery's id.")]
Seals = Annotated[WebhookSeal, Provided(WebhookSeal)]
Catalog = Annotated[EventCatalog, Provided(EventCatalog)]
Worker = Annotated[DeliveryWorker, Provided(DeliveryWorker)]
Url = Annotated[str, Field(max_length=URL_CHARS_MAX, examples=["https://hooks.example.com/skyriver"])]
EventNames = Annotated[
    list[Annotated[str, Field(max_length=64, pattern=r"^[a-z_]+\.[a-z_]+$")]],
    Field(max_length=100, description="Names of events, see GET /v1/webhook-events; empty: all of them."),
]


class EventTypeShape(BaseModel):
    name: str
    meaning: str


class EventTypes(BaseModel):
    items: list[EventTypeShape]


class NewWebhook(Body):
    name: Name = Field(description="For people: whose receiver it is.")
    url: Url
    event_types: EventNames = Field(default_factory=list)


class WebhookPatch(Body):
    """Fields that are left out or null stay as they are."""

    name: Name | None = None
    url: Url | None = None
    event_types: EventNames | None = None
    enabled: bool | None = Field(default=None, description="Enabling forgives all failures so far.")


class WebhookShape(BaseModel):
    id: str
    name: str
    url: str
    event_types: list[str]
    enabled: bool
    disabled_reason: str
    failures: int = Field(description="Attempts that failed since the last one that did not.")
    failing_since: datetime | None
    created_at: datetime


class CreatedWebhook(WebhookShape):
    secret: str = Field(description="For checking signatures. It is shown this once and cannot be read again.")


class NewSecret(BaseModel):
    secret: str = Field(description="Shown this once; messages are signed with it from now on.")


class DeliveryShape(BaseModel):
    id: str
    event_id: str = Field(description="The header `webhook-id` of the message.")
    event_type: str
    data: dict[str, object]
    state: DeliveryState
    attempts: int
    created_at: datetime
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None = Field(description="Null unless it is pending.")
    last_status: int | None = Field(description="What the receiver answered; null: nothing.")
    last_error: str
    duration_ms: int | None


def _shape(webhook: WebhookRecord) -> dict[str, object]:
    return {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "event_types": webhook.event_types,
        "enabled": webhook.disabled_at is None,
        "disabled_reason": webhook.disabled_reason,
        "failures": webhook.failures,
        "failing_since": webhook.failing_since,
        "created_at": webhook.created_at,
    }


def _delivery_shape(delivery: WebhookDeliveryRecord, event: WebhookEventRecord) -> DeliveryShape:
    pending = delivery.state == DeliveryState.PENDING.value
    return DeliveryShape(
        id=delivery.id,
        event_id=event.id,
        event_type=event.type,
        data=event.data,
        state=DeliveryState(delivery.state),
        attempts=delivery.attempts,
        created_at=event.created_at,
        last_attempt_at=delivery.last_attempt_at,
        next_attempt_at=delivery.next_attempt_at if pending else None,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        duration_ms=delivery.duration_ms,
    )


@router.get("/webhook-events")
async def list_webhook_events(_caller: Caller, catalog: Catalog) -> EventTypes:
    """Every event that webhooks can be told of."""
    return EventTypes(items=[EventTypeShape(name=t.name, meaning=t.meaning) for t in catalog.types])


@router.get("/webhooks")
async def list_webhooks(caller: Admin, session: Reader, paging: Paging) -> Page[WebhookShape]:
    """Your tenant's webhooks, without their secrets: those were shown once."""
    rows, cursor = await fetch_page(session, service.webhooks_of(caller), WebhookRecord.id, paging)
    return Page(items=[WebhookShape.model_validate(_shape(row)) for row in rows], next_cursor=cursor)


@router.post("/webhooks", status_code=201, responses=problems(409))
async def create_webhook(
    body: NewWebhook, caller: Admin, session: Writer, seal: Seals, catalog: Catalog, once: Once
) -> CreatedWebhook:
    """Make a webhook. Messages are signed as the Standard Webhooks specification says."""

    async def create() -> CreatedWebhook:
        chosen = catalog.check(body.event_types)
        webhook, secret = await service.create_webhook(
            session, caller, seal, name=body.name, url=body.url, event_types=chosen
        )
        return CreatedWebhook.model_validate({**_shape(webhook), "secret": secret})

    return await once(session, caller, body, CreatedWebhook, create)


@router.get("/webhooks/{webhook_id}", responses=problems(404))
async def show_webhook(webhook_id: WebhookId, caller: Admin, session: Reader) -> WebhookShape:
    """One webhook."""
    return WebhookShape.model_validate(_shape(await service.find_webhook(session, caller, webhook_id)))


@router.patch("/webhooks/{webhook_id}", responses=problems(404))
async def change_webhook(
    webhook_id: WebhookId, body: WebhookPatch, caller: Admin, session: Writer, catalog: Catalog
) -> WebhookShape:
    """Change what is given; `enabled` takes a disabled webhook back into service."""
    webhook = await service.find_webhook(session, caller, webhook_id)
    chosen = catalog.check(body.event_types) if body.event_types is not None else None
    await service.change_webhook(
        session, caller, webhook, name=body.name, url=body.url, event_types=chosen, enabled=body.enabled
    )
    return WebhookShape.model_validate(_shape(webhook))


@router.delete("/webhooks/{webhook_id}", status_code=204, responses=problems(404))
async def delete_webhook(webhook_id: WebhookId, caller: Admin, session: Writer) -> None:
    """Remove a webhook; what waits to be sent to it is dropped."""
    await service.delete_webhook(session, caller, await service.find_webhook(session, caller, webhook_id))


@router.post("/webhooks/{webhook_id}/rotate-secret", responses=problems(404))
async def rotate_webhook_secret(webhook_id: WebhookId, caller: Admin, session: Writer, seal: Seals) -> NewSecret:
    """Replace the secret; the new one is shown in this answer and never again."""
    webhook = await service.find_webhook(session, caller, webhook_id)
    return NewSecret(secret=await service.rotate_secret(session, caller, seal, webhook))


@router.post("/webhooks/{webhook_id}/test", status_code=202, responses=problems(404, 409))
async def test_webhook(webhook_id: WebhookId, caller: Admin, runtime: RuntimeDep, worker: Worker) -> DeliveryShape:
    """Send a `webhook.test` event to this webhook."""
    async with runtime.store.transaction() as session:
        webhook = await service.find_webhook(session, caller, webhook_id)
        delivery = await service.send_test(session, caller, webhook)
        answer = _delivery_shape(*await service.find_delivery(session, webhook, delivery.id))
    worker.nudge()
    return answer


@router.get("/webhooks/{webhook_id}/deliveries", responses=problems(404))
async def list_webhook_deliveries(
    webhook_id: WebhookId,
    caller: Admin,
    session: Reader,
    paging: Paging,
    state: Annotated[DeliveryState | None, Query(description="In this state only.")] = None,
) -> Page[DeliveryShape]:
    """What was sent, or is being tried, newest first; kept for two weeks."""
    webhook = await service.find_webhook(session, caller, webhook_id)
    query = select(WebhookDeliveryRecord).where(WebhookDeliveryRecord.webhook_id == webhook.id)
    if state is not None:
        query = query.where(WebhookDeliveryRecord.state == state.value)
    rows, cursor = await fetch_page(session, query, WebhookDeliveryRecord.id, paging, newest_first=True)
    ids = [row.event_id for row in rows]
    found = await session.scalars(select(WebhookEventRecord).where(WebhookEventRecord.id.in_(ids)))
    events = {event.id: event for event in found}
    return Page(items=[_delivery_shape(row, events[row.event_id]) for row in rows], next_cursor=cursor)


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202, responses=problems(404, 409))
async def redeliver_webhook(
    webhook_id: WebhookId, delivery_id: DeliveryId, caller: Admin, runtime: RuntimeDep, worker: Worker
) -> DeliveryShape:
    """Send something again now, and for another day."""
    async with runtime.store.transaction() as session:
        webhook = await service.find_webhook(session, caller, webhook_id)
        answer = _delivery_shape(*await service.redeliver(session, caller, webhook, delivery_id, runtime.now()))
    worker.nudge()
    return answer
