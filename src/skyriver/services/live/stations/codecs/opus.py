"""Opus as publishers describe it: the identification header of RFC 7845, section 5.1."""

from __future__ import annotations

from skyriver.services.live.stations.errors import DamagedMedia, UnsupportedMedia
from skyriver.services.live.stations.events import AudioConfig

RATE_HZ = 48_000  # the clock of Opus, whatever the microphone had (RFC 7587, section 4.1)
MAX_PACKET_BYTES = 1275 * 6 + 8  # RFC 6716, section 3.4: 120 ms, and its own framing
_PRE_SKIP = 312  # 6.5 ms, libopus' look-ahead


def opus_head(channels: int) -> bytes:
    """An OpusHead for one stream of mono or stereo."""
    return (
        b"OpusHead\x01"
        + bytes((channels,))
        + _PRE_SKIP.to_bytes(2, "little")
        + RATE_HZ.to_bytes(4, "little")
        + bytes(3)
    )


def opus_config(channels: int, head: bytes = b"") -> AudioConfig:
    """A description from the channel count, and the OpusHead where there is one.

    Raises DamagedMedia or UnsupportedMedia.
    """
    if head:
        if len(head) < 19 or head[:8] != b"OpusHead" or head[8] >> 4:
            raise DamagedMedia("The description of the Opus sound is no OpusHead.")
        channels = head[9]
        if head[18]:
            raise UnsupportedMedia("This stream's sound is Opus of several streams.", hint="Send mono or stereo.")
    if channels not in (1, 2):
        raise UnsupportedMedia(f"This stream's sound is Opus with {channels} channels.", hint="Send mono or stereo.")
    return AudioConfig("opus", RATE_HZ, channels, head[:19] or opus_head(channels))
