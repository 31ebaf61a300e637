"""How much a publisher over MoQ may use."""

from __future__ import annotations

from dataclasses import dataclass, field

from skyriver.services.live.stations.publishing import QueueLimits


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one contribution. Whoever passes one is ended with a message that names it.

    What has not been read here waits in the fabric's cache, 16 MiB a space at most, which drops the oldest.
    """

    max_frame_bytes: int = 8 << 20
    """One picture: a 4K keyframe at 100 Mbit/s is about 4 MiB."""
    max_frames_per_s: int = 1000
    """Of one track; 240 pictures or 400 packets of 2.5 ms of Opus are real."""
    queue: QueueLimits = field(default_factory=QueueLimits)
    """Media that the station has not worked off yet; at these limits we stop reading the tracks."""
    idle_timeout_s: float = 15.0
    """Silence after which a publisher is given up."""
