"""What can be wrong with what a publisher sends."""

from __future__ import annotations

from skyriver.kernel.errors import InvalidInput


class MalformedRtmp(InvalidInput):
    """The bytes are not RTMP, or break a rule of it, or pass one of our limits."""

    code = "rtmp_malformed"


class UnsupportedMedia(InvalidInput):
    """Good RTMP, but a stream we do not take. The message names what came and what to send instead."""

    code = "rtmp_unsupported_media"


class DamagedMedia(InvalidInput):
    """H.264 or AAC that contradicts itself."""

    code = "rtmp_damaged_media"
