"""What a recording is: its states and limits. Pure code.

A show:   recording --(channel offline, or recording off)--> finishing --(recorder is done)--> ready
          finishing --(its recorder is gone for good)--> ready, with what is in the store
          finishing --(nothing was recorded)--> removed
A clip:   making --> ready | failed
Any but a running show: --> deleting --> removed, objects first
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class RecordingKind(StrEnum):
    SHOW = "show"
    CLIP = "clip"


class RecordingState(StrEnum):
    RECORDING = "recording"
    FINISHING = "finishing"
    MAKING = "making"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"


class Renditions(StrEnum):
    """What of a ladder is recorded; sound always is."""

    ALL = "all"
    TOP = "top"  # the largest only: least storage, no choice for slow viewers


@dataclass(frozen=True)
class RecordingSettings:
    """How a channel is recorded. A channel that nobody has set anything for is not."""

    enabled: bool = False
    retention_days: int = 30
    dvr_minutes: int = 60
    renditions: Renditions = Renditions.ALL


RETENTION_DAYS_MAX = 3650
DVR_MINUTES_MAX = 12 * 60
CLIP_MIN_US = 500_000
CLIP_MAX_US = 6 * 3600 * 1_000_000
CLIPS_MAKING_MAX = 10
"""Of one tenant at once: copying is cheap, and the object store is everybody's."""

CLOSE_AFTER = timedelta(seconds=3)
"""How long a channel must be offline before its recording is closed; the hold of 30 s comes before that. A process
that has just started may not have seen its channels yet."""
RECORDER_LOST_AFTER = timedelta(minutes=10)
"""When a finishing recording is closed without its recorder, because its node does not come back."""
GRANT_LIFETIME = timedelta(hours=6)
"""Of a playback ticket: a show's length."""


def vod_space(recording_id: str) -> str:
    """The root of grants for a recording. It is no space of the fabric."""
    return f"vod/{recording_id}"
