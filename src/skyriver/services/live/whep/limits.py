"""How many viewers one process takes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a WHEP server. Whoever comes above them is refused with a message that names it."""

    max_sessions: int = 60
    """A viewer of 1.4 Mbit/s costs about 1 % of a core: packets are made and encrypted one by one."""
    max_sessions_per_tenant: int = 40
    """One tenant's viewers leave room for another's."""
    max_channels: int = 32
    max_offer_bytes: int = 64 << 10
    setup_timeout_s: float = 10.0
    """From the answer to a finished DTLS handshake."""
    idle_timeout_s: float = 30.0
    """Without any sign of the viewer; browsers check connectivity every few seconds."""
    catalog_within_s: float = 4.0
    """How long a viewer's request waits for the channel to be on air."""
    unwatched_s: float = 10.0
    """How long a channel is still read after its last viewer."""
