"""How much one publisher, and all of them together, may use."""

from __future__ import annotations

from dataclasses import dataclass, field

from skyriver.services.live.stations.publishing import QueueLimits


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of an RTMP server. Whoever passes one is disconnected with a message that names it.

    Worst-case memory: before a key was accepted, a connection holds `max_command_bytes`; after that at most
    `max_message_bytes` in the parser and `queue.size_bytes` in its queue.
    """

    max_connections: int = 512
    max_message_bytes: int = 8 << 20
    """One audio or video message: a 4K keyframe at 100 Mbit/s is about 4 MiB."""
    max_command_bytes: int = 64 << 10
    """One command or metadata message; OBS and ffmpeg stay under 1 KiB."""
    max_chunk_streams: int = 16
    """Encoders use three to five."""
    queue: QueueLimits = field(default_factory=QueueLimits)
    """Media that the station has not read yet; at these limits we stop reading the socket: back-pressure."""
    max_unread_reply_bytes: int = 64 << 10
    """Replies the publisher does not read; a healthy one owes a few hundred bytes."""
    setup_timeout_s: float = 10.0
    """From the TCP connection to an accepted publish."""
    idle_timeout_s: float = 15.0
    """Silence after which a publisher is given up; encoders send many messages a second."""
    close_linger_s: float = 2.0
    """How long a refused publisher may take to read why."""
