"""H.264 in, pictures out. Survives what a publisher can send: damage, changes of size, B-frames.

A decoding error throws the decoder's state away and waits for the next keyframe: a viewer sees the last good
picture for at most one GOP, never a smear that grows. (A damaged slice that the decoder can conceal is shown.)
"""

from __future__ import annotations

import av
from av.video.frame import VideoFrame

from skyriver.services.live.media.units import MICROSECONDS, Unit

THREADS = 1
"""Frame threads add a frame of delay each, and 1080p30 takes a tenth of a core: one thread is the fast choice here."""


class VideoDecoder:
    """Decodes one stream of Annex-B access units. Not thread-safe."""

    def __init__(self) -> None:
        self._codec = self._open()
        self._needs_keyframe = True
        self.errors = 0
        self.skipped = 0

    @staticmethod
    def _open() -> av.VideoCodecContext:
        codec = av.CodecContext.create("h264", "r")
        codec.thread_count = THREADS
        return codec

    def decode(self, unit: Unit) -> list[VideoFrame]:
        """Pictures in presentation order, stamped with `unit.pts_us` of the unit each came from."""
        if self._needs_keyframe:
            if not unit.keyframe:
                self.skipped += 1
                return []
            self._needs_keyframe = False
        packet = av.Packet(unit.payload)
        packet.pts = unit.pts_us
        packet.time_base = MICROSECONDS
        try:
            return self._codec.decode(packet)
        except av.FFmpegError:
            self.errors += 1
            self.lose()
            return []

    def lose(self) -> None:
        """Units were lost: forget everything and wait for a keyframe."""
        self._needs_keyframe = True
        self._codec.flush_buffers()

    def flush(self) -> list[VideoFrame]:
        """The pictures still held for reordering. The decoder cannot be used afterwards."""
        try:
            return self._codec.decode(None)
        except av.FFmpegError:
            return []
