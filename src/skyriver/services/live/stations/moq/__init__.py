"""MoQ ingest: browsers that publish their camera or screen over WebTransport, straight into the channel's ingest space.

    door = MoqDoor(reception, grant=lambda space: ...)
    door.follow([Ticket("pt_…", Publication("ch_…"), "ingest/ch_…")], origins)
    await door.run()                                      # until cancelled

What a contribution may be, `contribution.Contribution` says; it does no I/O.
"""

from __future__ import annotations

from skyriver.services.live.stations.moq.door import MoqDoor, Ticket
from skyriver.services.live.stations.moq.limits import Limits

__all__ = ["Limits", "MoqDoor", "Ticket"]
