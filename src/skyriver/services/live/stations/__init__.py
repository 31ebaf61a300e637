"""The doors of the cloud: where publishers arrive.

Every protocol is a folder of the same shape (`limits`, a pure protocol part, a `server`) and turns what comes over the
wire into the same media events of a `Publishing`. `Reception` decides who holds an input; what is done with it is its
`serve`. Nothing here knows the fabric, but for the MoQ door, whose publishers come over it.

    keys = KeyRing()
    keys.replace([(Publication("ch_…", "tn_…", takeover=False), ["<sha-256 of a key, hex>"])])

    async def serve(publishing: Publishing) -> None:      # one task per publication, run by the reception
        async for event in publishing:                    # VideoConfig, AudioConfig, VideoFrame, AudioFrame, MetaData
            ...
        publishing.ended                                  # how it ended

    reception = Reception(keys, serve)
"""

from __future__ import annotations

from skyriver.services.live.stations.access import Authorise, KeyRing, Publication, Refusal, key_sha256
from skyriver.services.live.stations.events import (
    AudioConfig,
    AudioFrame,
    Ended,
    EndReason,
    MediaEvent,
    MetaData,
    Notice,
    VideoConfig,
    VideoFrame,
)
from skyriver.services.live.stations.publishing import Publishing, QueueLimits
from skyriver.services.live.stations.reception import Reception

__all__ = [
    "AudioConfig",
    "AudioFrame",
    "Authorise",
    "EndReason",
    "Ended",
    "KeyRing",
    "MediaEvent",
    "MetaData",
    "Notice",
    "Publication",
    "Publishing",
    "QueueLimits",
    "Reception",
    "Refusal",
    "VideoConfig",
    "VideoFrame",
    "key_sha256",
]
