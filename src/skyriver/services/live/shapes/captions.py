"""Captions over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, StringConstraints

from skyriver.platform.web.fields import Body
from skyriver.services.live.captions.model import (
    DURATION_MAX_S,
    DURATION_MIN_S,
    DURATION_S,
    LINES_MAX,
    TEXT_MAX_CHARS,
)
from skyriver.services.live.records import CaptionTrackRecord

_TAG = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$"
_LABEL_MAX_CHARS = 40


def _lines(text: str) -> str:
    """The text without empty lines, which would end a cue in WebVTT."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if not lines:
        raise ValueError("a cue needs some text")
    if len(lines) > LINES_MAX:
        raise ValueError(f"a cue has at most {LINES_MAX} lines")
    return "\n".join(lines)


Language = Annotated[
    str,
    StringConstraints(pattern=_TAG, max_length=35),
    AfterValidator(str.lower),
    Field(description="A language tag of BCP 47; upper and lower case are the same.", examples=["en", "zh-Hans"]),
]
LanguageInPath = Annotated[
    str, Path(pattern=_TAG, max_length=35, description="A language tag of BCP 47."), AfterValidator(str.lower)
]
Label = Annotated[
    str,
    StringConstraints(max_length=_LABEL_MAX_CHARS, pattern=r"^[^\x00-\x1f\x7f]*$"),
    Field(description="What viewers read in their menu; empty: the language's name.", examples=["English"]),
]


class CaptionTrackShape(BaseModel):
    language: str
    label: str
    created_at: datetime


class CaptionTrackPut(Body):
    label: Label = ""


class NewCue(Body):
    language: Language
    text: Annotated[
        str,
        StringConstraints(min_length=1, max_length=TEXT_MAX_CHARS, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]+$"),
        AfterValidator(_lines),
        Field(description=f"Up to {LINES_MAX} lines.", examples=["Good evening, and welcome."]),
    ]
    start: AwareDatetime | None = Field(
        default=None,
        description="When it is to be shown, in media time (UTC): up to 30 s ago, up to 60 s ahead. Left out: now. "
        "A cue with the start of an earlier one replaces it.",
    )
    duration_s: float = Field(default=DURATION_S, ge=DURATION_MIN_S, le=DURATION_MAX_S)


class CueShape(BaseModel):
    """What was sent. Send the same `start` again to correct it."""

    language: str
    text: str
    start: datetime
    end: datetime


def track_shape(track: CaptionTrackRecord) -> CaptionTrackShape:
    return CaptionTrackShape(language=track.language, label=track.label, created_at=track.created_at)
