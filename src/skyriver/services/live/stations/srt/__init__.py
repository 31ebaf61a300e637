"""SRT ingest: many publishers on one UDP port, each an async iterator of H.264 or HEVC, and AAC.

    server = SrtServer(Reception(keys, serve), keys, host="0.0.0.0", port=9710)
    await server.open()                                   # binds; server.port is known from here on
    await server.run()                                    # until cancelled

The caller's stream id carries its stream key (`streamid`); a key may have a passphrase, and then the connection must be
encrypted with it. Within SRT there is an MPEG transport stream (`stations.mpegts`). Source: the SRT protocol
(draft-sharabayko-srt-01) as libsrt implements it; that library is loaded where a machine has it (`library`).
"""

from __future__ import annotations

from skyriver.services.live.stations.srt.library import INSTALL, SrtFailed, SrtMissing, load
from skyriver.services.live.stations.srt.limits import Limits
from skyriver.services.live.stations.srt.server import SrtServer

__all__ = ["INSTALL", "Limits", "SrtFailed", "SrtMissing", "SrtServer", "load"]
