"""How much a publisher over WHIP, and all of them together, may use."""

from __future__ import annotations

from dataclasses import dataclass, field

from skyriver.services.live.stations.publishing import QueueLimits


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a WHIP door. Whoever passes one is ended with a message that names it."""

    max_sessions: int = 128
    max_offer_bytes: int = 64 << 10
    """Chromium's offers have 5 to 7 KiB."""
    max_bitrate_bps: int = 8_000_000
    """What the client is told to stay under (REMB); browsers send 2 to 4 Mbit/s of 720p."""
    queue: QueueLimits = field(default_factory=QueueLimits)
    """Media that the station has not worked off yet; beyond it pictures are dropped up to the next keyframe."""
    setup_timeout_s: float = 10.0
    """From the answer to the first media: ICE, DTLS and a keyframe over a slow line."""
    idle_timeout_s: float = 15.0
    """Silence after which a publisher is given up; encoders send many packets a second."""
    video_patience_s: float = 0.25
    """How long a lost packet of the picture is waited for: two or three round trips for asking again."""
    audio_patience_s: float = 0.06
    """Of the sound: three packets of 20 ms, which Opus conceals."""
    keyframe_every_s: float = 2.0
    """Browsers send keyframes on demand only; viewers join, and renditions switch, at keyframes."""
