"""WHEP playback (draft-ietf-wish-whep): a rendition and Opus for players that speak WebRTC and nothing else.

Frames are read from the channel's space and put into packets; nothing is decoded or encoded. There is one reader of a
track, however many sessions send it on.
"""

from __future__ import annotations

from skyriver.services.live.whep.limits import Limits
from skyriver.services.live.whep.server import WhepServer

__all__ = ["Limits", "WhepServer"]
