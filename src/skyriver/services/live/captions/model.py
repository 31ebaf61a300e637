"""What a cue is, its limits, and how it travels. Pure code.

A frame of a track is a JSON list of cues: the newest one and those before it that are, or were just, on the screen. So
any frame alone tells a viewer who joins now what to show. A later cue with the same start replaces the earlier one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

TEXT_MAX_CHARS = 500
"""Captions are two lines of about 40 characters; with 500 a whole sentence of any language fits."""
LINES_MAX = 4
DURATION_MIN_S, DURATION_MAX_S, DURATION_S = 0.2, 30.0, 4.0
PAST_MAX, AHEAD_MAX = timedelta(seconds=30), timedelta(seconds=60)
"""How far from now a cue may begin: what is older is on nobody's screen, what is later would have to be remembered."""
TRACKS_MAX = 8
"""Languages of a channel: each is a subscription's worth of state in relays and edges."""
CUES_PER_S, CUES_BURST = 10.0, 30
"""Of one channel: enough for a program that corrects its line with every word, in two languages."""
KEPT_US = 10_000_000
KEPT_CUES = 8
_TRACK_PREFIX = "captions-"


@dataclass(frozen=True)
class Cue:
    """One line, or a few. Times are media time, µs."""

    start_us: int
    end_us: int
    text: str


def track_of(language: str) -> str:
    """The track of a language (BCP 47, lower case)."""
    return f"{_TRACK_PREFIX}{language}"


def with_cue(cues: Iterable[Cue], cue: Cue) -> tuple[Cue, ...]:
    """The cues to send together with a new one, by start: without the one it replaces, and those long past."""
    kept = [one for one in cues if one.start_us != cue.start_us and one.end_us > cue.start_us - KEPT_US]
    return tuple(sorted([*kept, cue], key=lambda one: one.start_us)[-KEPT_CUES:])


def encode_cues(cues: Iterable[Cue]) -> bytes:
    """A frame."""
    return json.dumps([asdict(cue) for cue in cues], separators=(",", ":"), ensure_ascii=False).encode()


def decode_cues(payload: bytes) -> tuple[Cue, ...]:
    """The cues of a frame; what is no cue is left out."""
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return ()
    return tuple(cue for entry in found if (cue := _cue(entry)) is not None) if isinstance(found, list) else ()


def _cue(entry: Any) -> Cue | None:
    try:
        cue = Cue(int(entry["start_us"]), int(entry["end_us"]), str(entry["text"])[:TEXT_MAX_CHARS])
    except (TypeError, KeyError, ValueError, OverflowError):
        return None
    return cue if 0 <= cue.start_us < cue.end_us < 1 << 62 else None
