"""The HTTP routes of live channels, one module an area."""

from __future__ import annotations

from skyriver.services.live.api import channels, delivery, drills, eyes, recordings, vod, watching

ROUTERS = (channels.router, watching.router, delivery.router, drills.router, eyes.router, recordings.router, vod.router)

__all__ = ["ROUTERS"]
