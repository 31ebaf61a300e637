"""What can go wrong with recordings, in the caller's terms."""

from __future__ import annotations

from skyriver.kernel.errors import Conflict, InvalidInput, NotFound


class RecordingNotFound(NotFound):
    code = "recording_not_found"

    def __init__(self, recording_id: str) -> None:
        super().__init__(
            f"There is no recording {recording_id!r}.",
            hint="List them with GET /v1/recordings, or `skyriver recording list`. Expired ones are deleted.",
        )


class RecordingRuns(Conflict):
    code = "recording_runs"

    def __init__(self) -> None:
        super().__init__(
            "The show is being recorded, so this recording cannot be deleted yet.",
            hint="Turn the channel's recording off, or end the show; then delete it.",
        )


class NothingRecorded(Conflict):
    code = "nothing_recorded"

    def __init__(self) -> None:
        super().__init__(
            "This recording holds nothing that can be played yet.",
            hint="A show can be played some seconds after it began; a clip when its state is `ready`.",
        )


class OutsideRecording(InvalidInput):
    code = "outside_recording"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The clip cannot be made: {why}.",
            hint="Times are within the recording, from `start` up to `end`, 0.5 s to 6 h apart.",
        )


class TooManyClips(Conflict):
    code = "too_many_clips"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} clips are being made already.", hint="Wait until one of them is ready.")
