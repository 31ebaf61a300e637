"""What can be wrong with what a publisher sends, whatever door it came in by."""

from __future__ import annotations

from skyriver.kernel.errors import InvalidInput


class UnsupportedMedia(InvalidInput):
    """A good stream of a kind that we do not take. The message names what came and what to send instead."""

    code = "unsupported_media"


class DamagedMedia(InvalidInput):
    """Video or audio that contradicts itself."""

    code = "damaged_media"
