"""The bus: NATS. Core messages nudge and may be lost; JetStream keeps what must not be lost."""

from skyriver.fabric.bus.client import Bus, BusAccess, Message, Subscription
from skyriver.fabric.bus.errors import BusDown, BusRefused, BusServerFailed, NobodyAnswered
from skyriver.fabric.bus.node_keys import (
    BadPublicKey,
    decode_public_key,
    encode_public_key,
    is_signed_by,
    node_token,
    sign_message,
    verify_node_token,
)
from skyriver.fabric.bus.server import AGENT_INBOX, AGENT_USER, API_USER, BusServer, BusServerSettings
from skyriver.fabric.bus.stored import StoredMessage, WorkStream, ensure_stream, read_batches

__all__ = [
    "AGENT_INBOX",
    "AGENT_USER",
    "API_USER",
    "BadPublicKey",
    "Bus",
    "BusAccess",
    "BusDown",
    "BusRefused",
    "BusServer",
    "BusServerFailed",
    "BusServerSettings",
    "Message",
    "NobodyAnswered",
    "StoredMessage",
    "Subscription",
    "WorkStream",
    "decode_public_key",
    "encode_public_key",
    "ensure_stream",
    "is_signed_by",
    "node_token",
    "read_batches",
    "sign_message",
    "verify_node_token",
]
