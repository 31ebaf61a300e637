"""How much one SRT publisher, and all of them together, may use."""

from __future__ import annotations

from dataclasses import dataclass, field

from skyriver.services.live.stations.mpegts import TsLimits
from skyriver.services.live.stations.publishing import QueueLimits


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of an SRT server. Nobody gets past the handshake without a key.

    Worst-case memory of a connection: libsrt's receive buffer (12 MB), `transport` in the parser, `queue` after it.
    """

    max_connections: int = 256
    backlog: int = 32
    latency_ms: int = 120
    """How long a lost packet may take to come again; the caller may ask for more. libsrt's default: enough for a round
    trip of 30 ms with some loss. Haivision's rule of thumb is four round trips."""
    transport: TsLimits = field(default_factory=TsLimits)
    queue: QueueLimits = field(default_factory=QueueLimits)
    """Media that the station has not read yet; at these limits we stop reading the socket. SRT cannot slow a publisher
    down: libsrt's buffer fills, and then packets are lost."""
    max_unread_bytes: int = 16 << 20
    """What the receiving thread may hand over before the event loop has taken it."""
    idle_timeout_s: float = 15.0
    """Silence after which a publisher is given up."""
    media_within_s: float = 10.0
    """From the connection to the first picture or sound."""
