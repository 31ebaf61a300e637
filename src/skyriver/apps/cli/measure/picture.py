"""Turning received H.264 into pictures, one access unit at a time, with no delay of the decoder's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from skyriver.fabric.subscriber import MediaFrame


@dataclass(frozen=True, slots=True)
class Decoded:
    """One picture: its media time and its size in pixels."""

    pts_us: int
    width: int
    height: int


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
        return [Decoded(picture.pts or frame.pts_us, picture.width, picture.height) for picture in pictures]


def _decoder() -> Any:
    """One slice thread: frame threads would hold as many pictures back as there are threads."""
    import av

    context: Any = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    context.options = {"flags": "low_delay"}
    return context
