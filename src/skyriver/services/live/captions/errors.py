"""What can go wrong with captions, in the caller's terms."""

from __future__ import annotations

from skyriver.kernel.errors import Conflict, InvalidInput, NotFound, NotReady, TooMany


class CaptionTrackNotFound(NotFound):
    code = "caption_track_not_found"

    def __init__(self, language: str) -> None:
        super().__init__(
            f"This channel has no captions in {language!r}.", hint="List them with GET /v1/channels/{id}/captions."
        )


class TooManyCaptionTracks(Conflict):
    code = "too_many_caption_tracks"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"A channel can have captions in {limit} languages.", hint="Remove one that is no longer used."
        )


class NotOnAir(Conflict):
    code = "not_on_air"

    def __init__(self, channel: str) -> None:
        super().__init__(
            f"The channel {channel!r} is not on the air, so nobody would see the cue.",
            hint="Send cues while the channel is live; languages can be set up beforehand.",
        )


class CueOutOfTime(InvalidInput):
    code = "cue_out_of_time"

    def __init__(self, past_s: float, ahead_s: float) -> None:
        super().__init__(
            f"The cue begins too far from now: {past_s:.0f} s ago to {ahead_s:.0f} s ahead is possible.",
            hint='Leave `start` out for "now", and check the clock of the machine that captions.',
        )


class CaptionedTooOften(TooMany):
    code = "captioned_too_often"

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            "Too many cues were sent to this channel.",
            hint="Send whole lines instead of each letter.",
            retry_after_s=retry_after_s,
        )


class CueNotTaken(NotReady):
    code = "cue_not_taken"

    def __init__(self) -> None:
        super().__init__("No transcoder of the channel took the cue.", hint="It may be starting; send the cue again.")
