"""H.264, HEVC, AV1 or VP9 in, pictures out. Survives what a publisher can send: damage, changes of size, B-frames.

A decoding error throws the decoder's state away and waits for the next keyframe: a viewer sees the last good
picture for at most one GOP, never a smear that grows. (A damaged slice that the decoder can conceal is shown.)
"""

from __future__ import annotations

import av
from av.video.frame import VideoFrame

from skyriver.services.live.media.units import MICROSECONDS, Unit

THREADS = 1
"""Frame threads add a frame of delay each, and 1080p30 takes a tenth of a core: one thread is the fast choice here."""


H264 = "avc3"
_DECODERS = {H264: "h264", "avc1": "h264", "hev1": "hevc", "hvc1": "hevc", "av01": "libdav1d", "vp09": "vp9"}


class VideoDecoder:
    """Decodes one stream: access units in Annex-B, temporal units of AV1, frames of VP9. Not thread-safe.

    Args:
        codec: the first part of its RFC 6381 name; what is not known is taken for H.264.
    """

    def __init__(self, codec: str = H264) -> None:
        self.codec = codec
        self._codec = self._open(codec)
        self._needs_keyframe = True
        self.errors = 0
        self.skipped = 0

    @staticmethod
    def _open(name: str) -> av.VideoCodecContext:
        codec = av.CodecContext.create(_DECODERS.get(name, "h264"), "r")
        assert isinstance(codec, av.VideoCodecContext)
        codec.thread_count = THREADS
        if name == "av01":  # dav1d gathers frames for its threads unless it is told not to
            codec.options = {"max_frame_delay": "1"}
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

    def take_errors(self) -> int:
        """How many units could not be decoded since this was last asked."""
        errors, self.errors = self.errors, 0
        return errors

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
