"""Opus: what browsers play over QUIC, made where the publisher sends AAC."""

from __future__ import annotations

import av

from skyriver.services.live.media.sound import RATE_HZ, Coding
from skyriver.services.live.media.units import MICROSECONDS

FRAME_SAMPLES = 960  # 20 ms: the packet size that browsers and RFC 7587 take as normal
COMPLEXITY = 5  # half the CPU of 10, and no audible difference at these bitrates


def _open_encoder(layout: str, bitrate_bps: int) -> av.AudioCodecContext:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate = RATE_HZ
    encoder.layout = layout
    encoder.format = "flt"
    encoder.time_base = MICROSECONDS
    encoder.bit_rate = bitrate_bps
    encoder.options = {"frame_duration": "20", "compression_level": str(COMPLEXITY), "application": "audio"}
    encoder.open()
    return encoder


OPUS = Coding("opus", "flt", FRAME_SAMPLES, _open_encoder)
