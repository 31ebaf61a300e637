"""The HTTP routes of live channels, one module an area."""

from __future__ import annotations

from skyriver.services.live.api import channels, drills, watching

ROUTERS = (channels.router, watching.router, drills.router)

__all__ = ["ROUTERS"]
