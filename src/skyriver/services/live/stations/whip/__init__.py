"""WHIP ingest (RFC 9725): browsers, OBS, ffmpeg and GStreamer publish H.264 and Opus over WebRTC.

server = WhipServer(Reception(keys, serve), host="0.0.0.0", port=8891)
await server.open()                                   # TCP for signalling, UDP of the same number for media
await server.run()                                    # until cancelled
"""

from __future__ import annotations

from skyriver.services.live.stations.whip.limits import Limits
from skyriver.services.live.stations.whip.server import WhipServer

__all__ = ["Limits", "WhipServer"]
