"""What a transcoding engine could not do, counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Counters:
    """What went wrong or was left out, since the start."""

    units_dropped: int = 0
    pictures_dropped: int = 0
    audio_dropped: int = 0
    decode_errors: int = 0
    encode_errors: int = 0
    caught_up: int = 0
