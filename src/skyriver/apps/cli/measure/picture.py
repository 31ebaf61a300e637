"""Turning received H.264 into pictures, one access unit at a time, with no delay of the decoder's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from skyriver.fabric.subscriber import MediaFrame
from skyriver.kernel.clock import utc_now
from skyriver.services.live.media.clock_strip import BITS, read_strip

STRIP_WITHIN_MS = 60_000
"""What reads as a time within a minute of now is the demo's clock strip: 48 bits of any other picture are not."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One picture: its media time, its size in pixels, and the wall clock that is drawn into it, where there is one."""

    pts_us: int
    width: int
    height: int
    drawn_at_ms: int | None = None


class PictureDecoder:
    """Feed it a track's frames in order. What cannot be decoded is counted, and decoding resumes at a keyframe."""

    def __init__(self) -> None:
        self.errors = 0
        self._context: Any = None

    def decode(self, frame: MediaFrame) -> list[Decoded]:
        """The pictures that `frame` completes: one, or none before the first keyframe and with B-frames on the way."""
        import av

        if frame.keyframe and self._context is None:
            self._context = _decoder()
        if self._context is None:
            return []
        packet = av.Packet(frame.payload)
        packet.pts = frame.pts_us
        try:
            pictures = self._context.decode(packet)
        except av.error.FFmpegError:
            self.errors += 1
            self._context = None
            return []
        return [
            Decoded(picture.pts or frame.pts_us, picture.width, picture.height, _drawn_at_ms(picture))
            for picture in pictures
        ]


def _drawn_at_ms(picture: Any) -> int | None:
    """The time that the demo's picture shows to machines, milliseconds since the Unix epoch; None on other pictures."""
    luma = picture.planes[0]
    if picture.width < 4 * BITS or picture.format.components[0].bits != 8:
        return None
    shown_ms = read_strip(memoryview(luma), picture.width, picture.height, luma.line_size)
    return shown_ms if abs(shown_ms - utc_now().timestamp() * 1000) < STRIP_WITHIN_MS else None


def _decoder() -> Any:
    """One slice thread: frame threads would hold as many pictures back as there are threads."""
    import av

    context: Any = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    context.options = {"flags": "low_delay"}
    return context
