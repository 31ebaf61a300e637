"""What is known of an uploaded file, and how much of it a tenant may have."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

FILE_BYTES_MAX = 2 << 30
"""Two hours at 2 Mbit/s."""
FILES_PER_TENANT_MAX = 100
TENANT_BYTES_MAX = 20 << 30
UPLOADS_PER_TENANT_MAX = 2
UPLOAD_WITHIN_S = 2 * 3600.0
SILENT_S = 30.0
"""An upload of which nothing comes for so long is given up."""
FILM_SLATE_MAX_S = 60
"""A film slate is kept encoded in the transcoder's memory: some 20 MB a minute."""
NAME_CHARS_MAX = 200


@dataclass(frozen=True)
class MediaFacts:
    """What a probe found. Names of containers and codecs are FFmpeg's; empty or 0 where there is none."""

    container: str = ""
    duration_ms: int = 0
    video: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    audio: str = ""
    channels: int = 0

    @classmethod
    def of(cls, fields: dict[str, Any]) -> MediaFacts:
        known = {name: fields[name] for name in cls.__dataclass_fields__ if name in fields}
        return cls(**known)

    def row(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def pull_obstacle(self) -> str:
        """Why no input can be pulled from it; empty when one can."""
        if self.video != "h264":
            return f"Its video is {self.video}, and only H.264 is taken without encoding it anew."
        return ""

    @property
    def slate_obstacle(self) -> str:
        """Why it cannot be a slate; empty when it can."""
        if self.duration_ms > FILM_SLATE_MAX_S * 1000:
            return f"It lasts {self.duration_ms / 1000:.0f} s, and a slate lasts {FILM_SLATE_MAX_S} s at most."
        return ""
