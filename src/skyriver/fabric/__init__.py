"""The fabric: Media over QUIC under one adapter, with grants, gates, fail-over and metering.

Broadcasts live in spaces; a space is the unit of isolation. Origins own broadcasts, edges fill from origins.
"""

from skyriver.fabric.hang import AudioTrack, CaptionTrack, Catalog, VideoTrack
from skyriver.fabric.moq import Endpoint
from skyriver.fabric.numbering import SLOT_US, TICK_US, group_of, slot_of
from skyriver.fabric.publisher import Broadcast, MediaTrack, Publisher
from skyriver.fabric.subscriber import MediaFrame, Subscriber

__all__ = [
    "SLOT_US",
    "TICK_US",
    "AudioTrack",
    "Broadcast",
    "CaptionTrack",
    "Catalog",
    "Endpoint",
    "MediaFrame",
    "MediaTrack",
    "Publisher",
    "Subscriber",
    "VideoTrack",
    "group_of",
    "slot_of",
]
