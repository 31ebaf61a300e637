"""Tickets for playing recordings: the grant is in the address, as with live HLS, so that players need nothing else.

A grant's root is `vod/<recording>`; what it may get is `whole`, or `window-<minutes>`: of a running show, no more than
that from its end back.
"""

from __future__ import annotations

from skyriver.fabric.grants import Grant
from skyriver.kernel.errors import NotAllowed
from skyriver.platform.fabric_keys import GrantKeys
from skyriver.services.live.recordings.model import GRANT_LIFETIME, vod_space
from skyriver.services.live.records import RecordingRecord
from skyriver.services.live.shapes.recordings import PlayTicket

_WHOLE, _WINDOW = "whole", "window-"


def issue_play_ticket(grants: GrantKeys, recording: RecordingRecord, *, dvr_minutes: int | None = None) -> PlayTicket:
    """A ticket for one recording: for all of it, or for a window of a running show."""
    scope = _WHOLE if dvr_minutes is None else f"{_WINDOW}{dvr_minutes}"
    space = vod_space(recording.id)
    grant = grants.mint_viewer(space, tenant_id=recording.tenant_id, get=(scope,), lifetime=GRANT_LIFETIME)
    base = f"/vod/{grant.token}/{recording.id}"
    return PlayTicket(
        recording_id=recording.id,
        hls_url=f"{base}/index.m3u8",
        thumbnails_url=f"{base}/thumbs.vtt",
        poster_url=f"{base}/poster.jpg",
        download_url=None if dvr_minutes is not None else f"{base}/download.mp4",
        expires_at=grant.expires_at,
    )


def window_of(grant: Grant, recording_id: str) -> int | None:
    """How much of a running recording the grant's holder may see, in µs; None: all of it.

    Raises:
        NotAllowed: the grant is for something else.
    """
    if grant.root == vod_space(recording_id):
        for scope in grant.get:
            if scope == _WHOLE:
                return None
            minutes = scope.removeprefix(_WINDOW)
            if minutes != scope and minutes.isascii() and minutes.isdigit():
                return int(minutes) * 60_000_000
    raise NotAllowed("This grant is not for this recording.", hint="Ask for a ticket of this recording.")
