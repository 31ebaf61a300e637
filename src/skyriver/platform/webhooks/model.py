"""What a webhook is, in pure code: names of events, when to try again, when to give up, how a message is signed.

Messages follow the Standard Webhooks specification (https://www.standardwebhooks.com), so that receivers can use its
libraries: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base 64 of HMAC-SHA256>` over
`<id>.<timestamp>.<body>`, and secrets that read `whsec_<base 64>`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

WEBHOOKS_PER_TENANT_MAX = 20
URL_CHARS_MAX = 2000
DATA_BYTES_MAX = 64 * 1024
"""Of one event. Ours are below 2 KB; the bound is for services that are written later."""

RETRY_FIRST_S, RETRY_FACTOR, RETRY_LAST_S = 5.0, 3.0, 4 * 3600.0
RETRY_JITTER = 0.2
"""Of the pause, to both sides: receivers that come back must not be met by all senders in the same second."""
GIVE_UP_AFTER = timedelta(hours=24)

ALARM_AFTER_FAILURES = 5
"""Attempts in a row. With the pauses above that is the seventh minute of a single event, sooner with many."""
DISABLE_AFTER_FAILURES = 20
DISABLE_AFTER = timedelta(hours=12)
"""Both must be reached: a hundred events within one bad minute are no reason, nor is one event that never arrives."""

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # given up after a day, or the webhook was disabled: redelivering it is a person's decision


@dataclass(frozen=True)
class EventType:
    """One kind of event that webhooks can be told of, e.g. `EventType("channel.live", "A channel has pictures.")`."""

    name: str
    meaning: str


TEST_EVENT = EventType("webhook.test", "Sent by the button, to this one webhook.")
PLATFORM_EVENTS = (
    EventType("alarm.raised", "An alarm was raised, or came back."),
    EventType("alarm.cleared", "An alarm is over."),
)


def wants(event_types: Iterable[str], event_type: str) -> bool:
    """Whether a webhook with this filter is told of an event; an empty filter is told of all."""
    chosen = tuple(event_types)
    return not chosen or event_type in chosen


def retry_pause_s(attempts: int, jitter: Callable[[], float]) -> float:
    """The pause after the given number of attempts: 5 s, 15 s, 45 s … 4 h. `jitter` gives 0 to 1."""
    pause_s = min(RETRY_FIRST_S * RETRY_FACTOR ** min(max(attempts, 1) - 1, 20), RETRY_LAST_S)
    return pause_s * (1 - RETRY_JITTER + 2 * RETRY_JITTER * jitter())


def is_to_disable(failures: int, failing_since: datetime | None, now: datetime) -> bool:
    """Whether a webhook has failed so often and for so long that trying on is noise."""
    long_enough = failing_since is not None and now - failing_since >= DISABLE_AFTER
    return failures >= DISABLE_AFTER_FAILURES and long_enough


def new_signing_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def message_body(event_type: str, created_at: datetime, data: Mapping[str, Any]) -> bytes:
    """The body of a message: the same bytes at every attempt."""
    message = {"type": event_type, "timestamp": created_at.isoformat(), "data": data}
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def signature(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """`v1,…` for the header `webhook-signature`. The timestamp is signed too: old messages cannot be replayed."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.new(key, f"{message_id}.{timestamp_s}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
