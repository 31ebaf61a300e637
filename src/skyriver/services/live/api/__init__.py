"""The HTTP routes of live channels, one module an area."""

from __future__ import annotations

from skyriver.services.live.api import (
    captions,
    channels,
    delivery,
    drills,
    eyes,
    inputs,
    media_files,
    publishing,
    recordings,
    relaying,
    srt_passphrases,
    vod,
    watching,
)

ROUTERS = (
    channels.router,
    captions.router,
    srt_passphrases.router,
    watching.router,
    delivery.router,
    publishing.router,
    drills.router,
    eyes.router,
    inputs.router,
    media_files.router,
    recordings.router,
    relaying.router,
    vod.router,
)

__all__ = ["ROUTERS"]
