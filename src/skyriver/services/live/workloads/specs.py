"""What the specs of several kinds have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from skyriver.fabric import Endpoint


def endpoints(origins: Iterable[dict[str, Any]]) -> tuple[Endpoint, ...]:
    """Relays as a spec lists them."""
    return tuple(Endpoint(origin["url"], tuple(origin["certificate_sha256"])) for origin in origins)
