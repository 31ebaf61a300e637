"""RTP times of two streams onto one clock of milliseconds.

Each stream's clock starts anywhere. At first a stream is placed by the arrival of its first packet; that is wrong by
what capture, encoder and network delayed it. Sender reports say what RTP time each stream had at what wall-clock time
of the sender (RFC 3550, section 6.4.1): once both have had one, the sound is moved to where it belongs beside the
picture, at once the first time, and by small steps from then on.
"""

from __future__ import annotations

from dataclasses import dataclass

from skyriver.services.live.webrtc.rtp import SenderReport

STEP_MS = 2.0
"""The largest later correction with one report; reports come every second to five."""
_WRAP = 1 << 32
_PLAUSIBLE_MS = 5000.0  # a report that contradicts arrival by more is nonsense, and some clients send zeros


@dataclass
class _Stream:
    clock_hz: int
    offset_ms: float | None = None
    last: int = 0
    extended: int = 0
    wall_offset_ms: float | None = None

    def extend(self, timestamp: int) -> int:
        if self.offset_ms is None:
            self.last = self.extended = timestamp
        step = (timestamp - self.last + _WRAP // 2) % _WRAP - _WRAP // 2
        self.last, self.extended = timestamp, self.extended + step
        return self.extended

    def near(self, timestamp: int) -> int:
        """The same for a time that is not the newest, without moving on."""
        return self.extended + (timestamp - self.last + _WRAP // 2) % _WRAP - _WRAP // 2


class LipSync:
    """The times of one client's picture and sound."""

    def __init__(self, *, video_hz: int = 90_000, audio_hz: int = 48_000) -> None:
        self._streams = {"video": _Stream(video_hz), "audio": _Stream(audio_hz)}
        self._aligned = False

    def wire_ms(self, kind: str, timestamp: int, now_ms: float) -> int:
        """The time of a frame in milliseconds, modulo 2**32; `now_ms` is its arrival on any steady clock."""
        stream = self._streams[kind]
        extended = stream.extend(timestamp)
        if stream.offset_ms is None:
            stream.offset_ms = now_ms - extended * 1000 / stream.clock_hz
        return round(extended * 1000 / stream.clock_hz + stream.offset_ms) % _WRAP

    def report(self, kind: str, report: SenderReport) -> None:
        """What the sender says of its clocks."""
        stream = self._streams[kind]
        if stream.offset_ms is None or not report.ntp:
            return
        stream.wall_offset_ms = report.ntp_ms - stream.near(report.timestamp) * 1000 / stream.clock_hz
        self._align()

    def _align(self) -> None:
        video, audio = self._streams["video"], self._streams["audio"]
        if None in (video.offset_ms, audio.offset_ms, video.wall_offset_ms, audio.wall_offset_ms):
            return
        assert video.offset_ms is not None and audio.offset_ms is not None
        assert video.wall_offset_ms is not None and audio.wall_offset_ms is not None
        right_ms = video.offset_ms + audio.wall_offset_ms - video.wall_offset_ms
        off_ms = right_ms - audio.offset_ms
        if abs(off_ms) > _PLAUSIBLE_MS:
            return
        if self._aligned:
            off_ms = max(-STEP_MS, min(STEP_MS, off_ms))
        self._aligned = True
        audio.offset_ms += off_ms
