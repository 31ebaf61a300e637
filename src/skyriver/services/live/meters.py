"""What live channels are measured by, and may be charged for.

The bytes come from usage facts of the relays, per space; the seconds from the lives of channels,
the byte-hours from what recordings hold at each full hour.
"""

from __future__ import annotations

from skyriver.platform.manifest import Meter

METERS = (
    Meter("live.egress", "bytes", "sum"),  # sent to viewers
    Meter("live.ingress", "bytes", "sum"),  # received from stations
    Meter("live.push", "bytes", "sum"),  # sent on to other platforms
    Meter("live.recorded", "byte-hours", "sum"),  # held in the object store, noted at each full hour
    Meter("live.viewers", "sessions", "max"),  # at once
)
