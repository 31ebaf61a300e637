"""The shapes of stream keys' SRT passphrases."""

from __future__ import annotations

from pydantic import Field

from skyriver.platform.web.fields import Body
from skyriver.services.live.model import SRT_PASSPHRASE_MAX_CHARS, SRT_PASSPHRASE_MIN_CHARS
from skyriver.services.live.shapes.channels import StreamKeyShape


class NewSrtPassphrase(Body):
    passphrase: str | None = Field(
        default=None,
        min_length=SRT_PASSPHRASE_MIN_CHARS,
        max_length=SRT_PASSPHRASE_MAX_CHARS,
        pattern=r"^[\x21-\x7e]+$",
        description="Printable ASCII without spaces, 10 to 79 characters; made up when it is left out.",
    )


class StreamKeyWithPassphrase(StreamKeyShape):
    srt_passphrase: str = Field(description="For the encoder. It is shown this once and cannot be read again.")
