"""What webhooks bring to the API process: their routes, and the worker that delivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from skyriver.platform.alarms import AlarmDesk
from skyriver.platform.manifest import Component, Part, Service
from skyriver.platform.web.runtime import Runtime
from skyriver.platform.webhooks.api import router
from skyriver.platform.webhooks.delivery import DeliveryWorker
from skyriver.platform.webhooks.model import PLATFORM_EVENTS
from skyriver.platform.webhooks.sending import Sender
from skyriver.platform.webhooks.service import EventCatalog, WebhookSeal
from skyriver.platform.webhooks.settings import WebhookSettings

SEAL_FILE = "webhook-seal.key"


def part(services: Sequence[Service]) -> Part:
    """Webhooks for the events of the platform and of `services`. Needs the part `alarms` before it."""
    types = (*PLATFORM_EVENTS, *(event for service in services for event in service.webhook_events))

    @asynccontextmanager
    async def open_(runtime: Runtime) -> AsyncIterator[Sequence[Component]]:
        seal = await asyncio.to_thread(WebhookSeal, runtime.settings.data_dir / "secrets" / SEAL_FILE)
        sender = Sender(allow_private=WebhookSettings.from_environment().allow_private)
        worker = DeliveryWorker(runtime.store, seal, sender, runtime.get(AlarmDesk), now=runtime.now)
        runtime.provide(seal)
        runtime.provide(worker)
        runtime.provide(EventCatalog(types))
        try:
            yield [worker]
        finally:
            await sender.close()

    return Part("webhooks", routers=(router,), open=open_)
