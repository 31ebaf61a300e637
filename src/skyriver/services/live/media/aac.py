"""AAC: what every HLS player knows, made where the publisher sends Opus."""

from __future__ import annotations

import av

from skyriver.services.live.media.sound import RATE_HZ, Coding
from skyriver.services.live.media.units import MICROSECONDS

FRAME_SAMPLES = 1024  # of AAC-LC (ISO/IEC 14496-3, 4.5.2.1.1)


def _open_encoder(layout: str, bitrate_bps: int) -> av.AudioCodecContext:
    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate = RATE_HZ
    encoder.layout = layout
    encoder.format = "fltp"
    encoder.time_base = MICROSECONDS
    encoder.bit_rate = bitrate_bps
    encoder.flags |= av.codec.context.Flags.global_header
    encoder.open()
    return encoder


AAC = Coding("mp4a.40.2", "fltp", FRAME_SAMPLES, _open_encoder)
"""Raw AAC-LC frames, with the AudioSpecificConfig as the track's `init`."""
