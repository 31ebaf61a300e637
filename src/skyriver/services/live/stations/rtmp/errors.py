"""What can be wrong with what comes in by RTMP, besides the media themselves."""

from __future__ import annotations

from skyriver.kernel.errors import InvalidInput


class MalformedRtmp(InvalidInput):
    """The bytes are not RTMP, or break a rule of it, or pass one of our limits."""

    code = "rtmp_malformed"
