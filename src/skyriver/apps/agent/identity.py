"""Who this node is: its key, made here once, and what the cloud answered when it joined."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from skyriver.apps.agent.control_plane import ControlPlane
from skyriver.apps.agent.files import read_object, write_private
from skyriver.apps.agent.settings import AgentSettings
from skyriver.fabric.bus import BusAccess
from skyriver.fabric.bus.node_keys import encode_public_key
from skyriver.kernel.errors import InvalidInput, NotReady

log = logging.getLogger("skyriver.agent")

JOIN_RETRY_FIRST_S, JOIN_RETRY_LAST_S = 0.2, 5.0


@dataclass(frozen=True)
class Identity:
    """A node that has joined."""

    node_id: str
    key: Ed25519PrivateKey = field(repr=False)
    bus: BusAccess

    def save(self, path: Path) -> None:
        """Keep everything but the key, which has a file of its own."""
        write_private(path, json.dumps({"node_id": self.node_id, "bus": asdict(self.bus)}))

    def with_bus(self, bus: BusAccess) -> Identity:
        return replace(self, bus=bus)


def load_or_make_key(path: Path) -> Ed25519PrivateKey:
    """The node's key; it is on the disk before anybody hears of it.

    Raises:
        InvalidInput: the file holds no Ed25519 key.
        WorldBroke: it cannot be written.
    """
    if path.exists():
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise InvalidInput(f"Reading the node's key {path} failed: {error}.", hint="Restore the file.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidInput(f"{path} is not an Ed25519 key.", hint="Restore the file, or delete it and join again.")
        return key
    key = Ed25519PrivateKey.generate()
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
    return key


def load_identity(settings: AgentSettings) -> Identity | None:
    """The identity of an earlier join; None when there was none."""
    kept = read_object(settings.identity_path)
    if kept is None or not settings.key_path.exists():
        return None
    try:
        return Identity(str(kept["node_id"]), load_or_make_key(settings.key_path), BusAccess(**kept["bus"]))
    except (KeyError, TypeError) as error:
        raise InvalidInput(
            f"{settings.identity_path} is damaged: {error!r}.", hint="Restore it, or delete the folder and join again."
        ) from error


async def join(settings: AgentSettings, control_plane: ControlPlane) -> Identity:
    """Join with the one-time token. Waits for an API that is away; may be repeated after any failure.

    Raises:
        InvalidInput: there is no token, or it belongs to another site than expected.
        SkyriverError: the API refuses the token, the name or the address.
    """
    if not settings.token:
        raise InvalidInput(
            "This machine is not a node yet, and no join token was given.",
            hint="Ask an operator for one (`skyriver node token SITE`) and give it with --token.",
        )
    key = load_or_make_key(settings.key_path)
    body = {
        "token": settings.token,
        "name": settings.name or platform.node().split(".")[0] or "node",
        "public_key": encode_public_key(key.public_key()),
        **machine(settings),
    }
    retry_s = JOIN_RETRY_FIRST_S
    while True:
        try:
            joined = await control_plane.join(body)
            break
        except NotReady as error:
            log.warning("Joining failed: %s Trying again.", error)
            await asyncio.sleep(retry_s)
            retry_s = min(retry_s * 2, JOIN_RETRY_LAST_S)
    identity = Identity(joined["node_id"], key, BusAccess(**joined["bus"]))
    identity.save(settings.identity_path)
    site = joined["site"]["slug"]
    log.info("Joined the site %s as node %s.", site, identity.node_id)
    if settings.site is not None and site != settings.site:
        raise InvalidInput(
            f"The token belongs to the site {site!r}, not to {settings.site!r}: this machine is now a node there.",
            hint=f"Start it without --site, or delete the node and {settings.data}, and join with the right token.",
        )
    return identity


def machine(settings: AgentSettings) -> dict[str, Any]:
    """What this machine says of itself, at the join and at every later start."""
    return {
        "address": settings.address,
        "cores": os.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "first_port": settings.first_port,
        "last_port": settings.last_port,
    }
