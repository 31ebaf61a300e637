"""RTMP and RTMPS ingest: many publishers on one port, each an async iterator of media events.

    keys = KeyRing()
    keys.replace([(Publication("ch_…", "tn_…", takeover=False), ["<sha-256 of a key, hex>"])])

    async def serve(publishing: Publishing) -> None:      # one task per publication, run by the server
        async for event in publishing:                    # VideoConfig, AudioConfig, VideoFrame, AudioFrame, MetaData
            ...
        publishing.ended                                  # how it ended

    server = RtmpServer(Reception(keys, serve), host="0.0.0.0", port=1935)
    await server.open()                                   # binds; server.port is known from here on
    await server.run()                                    # until cancelled

The protocol itself (`connection.Connection`) does no I/O. Source: Adobe's RTMP specification 1.0 (2012), Adobe's FLV
specification 10.1, and Enhanced RTMP v2 (Veovera) for HEVC, AV1, VP9 and Opus.
"""

from __future__ import annotations

from skyriver.services.live.stations.rtmp.limits import Limits
from skyriver.services.live.stations.rtmp.server import RtmpServer
from skyriver.services.live.stations.rtmp.tls import TlsPort

__all__ = ["Limits", "RtmpServer", "TlsPort"]
