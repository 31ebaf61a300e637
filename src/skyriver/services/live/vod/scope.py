"""What a grant opens of a recording: its root is `vod/<recording>`, and it may get `whole`, or `window-<minutes>`.

A window is of a show: no more than that, from its end back, also when it has ended meanwhile.
"""

from __future__ import annotations

from skyriver.fabric.grants import Grant
from skyriver.kernel.errors import NotAllowed
from skyriver.services.live.recordings.model import vod_space

_WHOLE, _WINDOW = "whole", "window-"


def scope_of(dvr_minutes: int | None) -> str:
    """What a grant gets for a window of so many minutes; None for the whole recording."""
    return _WHOLE if dvr_minutes is None else f"{_WINDOW}{dvr_minutes}"


def window_of(grant: Grant, recording_id: str) -> int | None:
    """How much of a recording, back from its end, the grant's holder may see, in µs; None: all of it.

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
