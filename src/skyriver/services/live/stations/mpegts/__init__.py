"""MPEG transport streams into media events and back: what SRT carries.

    reader = TsReader()
    for event in reader.feed(data):      # any pieces of the stream, in order
        ...                              # VideoConfig, AudioConfig, VideoFrame, AudioFrame
    reader.counters                      # packets, holes, damage
    TsWriter().write(event)              # whole packets

Source: ISO/IEC 13818-1 (ITU-T H.222.0). Pure: no I/O, no clock, every buffer bounded.
"""

from __future__ import annotations

from skyriver.services.live.stations.mpegts.demuxer import Counters, TsLimits, TsReader
from skyriver.services.live.stations.mpegts.muxer import TsWriter

__all__ = ["Counters", "TsLimits", "TsReader", "TsWriter"]
