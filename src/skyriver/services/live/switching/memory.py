"""What an input has sent last: its current GOP, and its latest sound.

A standby's pictures are kept, not decoded, so that it costs memory and no work. On a switch its GOP is decoded from the
keyframe, which gives a picture at once instead of at the next keyframe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from skyriver.fabric import MediaFrame

GOP_MAX_FRAMES = 900  # 30 s at 30 fps: more than any encoder's GOP that viewers could join
GOP_MAX_BYTES = 24 << 20  # 20 Mbit/s for 10 s
SOUND_MAX_FRAMES = 128  # 2.7 s of AAC at 48 kHz: what can be missing when a loss is noticed


class InputMemory:
    """Bounded. A GOP that outgrows it is dropped: the input can then be joined at its next keyframe only."""

    def __init__(self) -> None:
        self._gop: list[MediaFrame] = []
        self._gop_bytes = 0
        self._sound: deque[MediaFrame] = deque(maxlen=SOUND_MAX_FRAMES)

    @property
    def gop(self) -> tuple[MediaFrame, ...]:
        """The pictures since the last keyframe, which is the first; empty when they were too many."""
        return tuple(self._gop)

    @property
    def size_bytes(self) -> int:
        """What the pictures occupy."""
        return self._gop_bytes

    def picture(self, frame: MediaFrame) -> None:
        """Keep one frame of video; a keyframe ends the memory of what was before it."""
        if frame.keyframe:
            self._gop, self._gop_bytes = [frame], len(frame.payload)
        elif self._gop:
            self._gop.append(frame)
            self._gop_bytes += len(frame.payload)
            if len(self._gop) > GOP_MAX_FRAMES or self._gop_bytes > GOP_MAX_BYTES:
                self._gop, self._gop_bytes = [], 0

    def sound(self, frame: MediaFrame) -> None:
        """Keep one frame of audio; the oldest one is forgotten."""
        self._sound.append(frame)

    def sound_after(self, pts_us: int) -> Iterator[MediaFrame]:
        """The frames of sound later than this media time of the input."""
        return (frame for frame in tuple(self._sound) if frame.pts_us > pts_us)

    def forget(self) -> None:
        """The input ended or was described anew: nothing of it fits what comes."""
        self._gop, self._gop_bytes = [], 0
        self._sound.clear()
