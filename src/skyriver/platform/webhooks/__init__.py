"""Webhooks: a tenant's own programs are told what happened, signed, and again until they have heard it."""

from skyriver.platform.webhooks.model import EventType
from skyriver.platform.webhooks.outbox import publish_event

__all__ = ["EventType", "publish_event"]
