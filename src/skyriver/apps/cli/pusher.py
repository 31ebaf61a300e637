"""A file pushed to the RTMP door at the pace of its own clock, as a camera would.

H.264 and AAC go through untouched (B-frames and all); anything else is transcoded, one stream at a time. Everything
here blocks, on the network and on purpose: it runs in a thread of its own and ends when `stop` is set.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyriver.kernel.errors import InvalidInput, WorldBroke

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

KEYFRAME_INTERVAL_S = 2.0  # the length of a group on the fabric: longer would make viewers wait to start
TRANSCODED_FPS = 30
TRANSCODED_VIDEO = {"preset": "veryfast", "tune": "zerolatency", "crf": "23", "maxrate": "4M", "bufsize": "4M"}
TRANSCODED_AUDIO_BPS = 128_000
MAX_LEAD_S = 0.002  # how far ahead of the clock a packet may leave: waiting for less than that only costs wake-ups


@dataclass
class Pushed:
    """How far the push is; written by the pushing thread, read by anyone."""

    media_s: float = 0.0
    packets: int = 0
    size_bytes: int = 0
    rounds: int = 0
    copied: dict[str, bool] = field(default_factory=dict)


class Pace:
    """Holds media time back until the clock has come as far; a sender that fell behind does not wait at all."""

    def __init__(self, stop: threading.Event, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._stop = stop
        self._monotonic = monotonic
        self._started_s: float | None = None

    def hold(self, media_s: float) -> bool:
        """Wait until `media_s` is due; False when the push was stopped meanwhile."""
        now_s = self._monotonic()
        if self._started_s is None:
            self._started_s = now_s - media_s
        early_s = media_s - (now_s - self._started_s)
        if early_s > MAX_LEAD_S:
            return not self._stop.wait(early_s)
        return not self._stop.is_set()


def push(path: Path, url: str, *, loop: bool, stop: threading.Event, pushed: Pushed) -> None:
    """Push `path` to `url` (an RTMP address with its stream key) until its end, or `stop`.

    Raises:
        InvalidInput: the file is missing, unreadable, or has no video.
        WorldBroke: the door refused or hung up.
    """
    import av

    try:
        with _open(path) as source:
            output: OutputContainer = av.open(url, "w", format="flv")
            lanes = _lanes(source, output)
            pushed.copied = {lane.kind: lane.copied for lane in lanes}
            output.start_encoding()  # connects: what that takes must not be made up for by sending faster
        try:
            shift_s, pace = 0.0, Pace(stop)
            while _round(path, lanes, output, shift_s, pace, pushed):
                shift_s = pushed.media_s
                pushed.rounds += 1
                if not loop:
                    break
            for packet in (packet for lane in lanes for packet in lane.flush()):
                output.mux(packet)
        finally:
            output.close()
    except av.error.FFmpegError as error:
        raise _refused(pushed, error) from error
    except OSError as error:
        raise _refused(pushed, error) from error


def duration_s(path: Path) -> float | None:
    """How long the file plays, if it says so."""
    with _open(path) as source:
        return None if source.duration is None else source.duration / 1_000_000


class _Lane:
    """One stream on its way from the file to the door: copied, or decoded and encoded again."""

    def __init__(self, source: Any, output: OutputContainer) -> None:
        self.index: int = source.index
        self.kind: str = source.type
        self.copied = source.codec_context.name == ("h264" if self.kind == "video" else "aac")
        self._resampler: Any = None
        if self.copied:
            self._out: Any = output.add_stream_from_template(source)
        elif self.kind == "video":
            self._out = self._video_encoder(source, output)
        else:
            self._out = self._audio_encoder(output)
        self._last_dts_s = float("-inf")

    def packets(self, packet: Any, shift_s: float) -> Iterator[Any]:
        """What to send for one packet of the file, `shift_s` later than the file says."""
        if self.copied:
            ticks = int(shift_s / float(packet.time_base))
            packet.pts = (packet.pts if packet.pts is not None else packet.dts) + ticks
            packet.dts += ticks
            packet.stream = self._out
            yield packet
            return
        for frame in packet.decode():
            yield from self._encoded(frame, shift_s)

    def flush(self) -> Iterator[Any]:
        if not self.copied:
            yield from self._out.encode(None)

    def _encoded(self, frame: Any, shift_s: float) -> Iterator[Any]:
        frame.pts = (frame.pts or 0) + int(shift_s / float(frame.time_base))
        if self._resampler is None:
            frame.pict_type = 0  # let the encoder choose; the file's own choice means nothing any more
            yield from self._out.encode(frame)
            return
        for resampled in self._resampler.resample(frame):
            yield from self._out.encode(resampled)

    def _video_encoder(self, source: Any, output: OutputContainer) -> Any:
        rate = source.average_rate or TRANSCODED_FPS
        out: Any = output.add_stream("libx264", rate=rate, options=TRANSCODED_VIDEO)
        out.width, out.height = source.codec_context.width // 2 * 2, source.codec_context.height // 2 * 2
        out.pix_fmt = "yuv420p"
        out.codec_context.gop_size = max(1, round(float(rate) * KEYFRAME_INTERVAL_S))
        return out

    def _audio_encoder(self, output: OutputContainer) -> Any:
        import av

        out: Any = output.add_stream("aac", rate=48_000, layout="stereo")
        out.bit_rate = TRANSCODED_AUDIO_BPS
        self._resampler = av.AudioResampler(format="fltp", layout="stereo", rate=48_000, frame_size=1024)
        return out


def _lanes(source: InputContainer, output: OutputContainer) -> list[_Lane]:
    streams: list[Any] = [*source.streams.video[:1], *source.streams.audio[:1]]
    return [_Lane(stream, output) for stream in streams]


def _round(path: Path, lanes: list[_Lane], output: OutputContainer, shift_s: float, pace: Pace, pushed: Pushed) -> bool:
    """Send the whole file once; False when stopped. The file is opened anew, which is how every format seeks to 0."""
    by_index = {lane.index: lane for lane in lanes}
    first_s: float | None = None
    with _open(path) as source:
        for packet in source.demux([source.streams[index] for index in by_index]):
            if packet.dts is None or packet.time_base is None:
                continue  # the demuxer's flush marker, or a packet that cannot be placed in time
            due_s = float(packet.dts * packet.time_base)
            first_s = due_s if first_s is None else first_s
            media_s = shift_s + due_s - first_s
            if not pace.hold(media_s):
                return False
            length_s = float((packet.duration or 0) * packet.time_base)
            for ready in by_index[packet.stream.index].packets(packet, shift_s - first_s):
                size_bytes = ready.size
                output.mux(ready)
                pushed.size_bytes += size_bytes
                pushed.packets += 1
            pushed.media_s = max(pushed.media_s, media_s + length_s)
    return True


def _open(path: Path) -> InputContainer:
    import av

    try:
        source = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise InvalidInput(
            f"Cannot read {path} as a media file: {error.strerror or error}.",
            hint="Name a file with H.264 or other video in it (MP4, MKV, FLV, MPEG-TS…).",
        ) from error
    if not source.streams.video:
        source.close()
        raise InvalidInput(f"{path} has no video.", hint="A channel needs a picture: name another file.")
    return source


def _refused(pushed: Pushed, error: Exception) -> WorldBroke:
    if pushed.packets == 0:
        return WorldBroke(
            f"The RTMP door did not open: {error}.",
            hint="Is the station up (`skyriver status`)? Does somebody else publish on this channel already "
            "(`skyriver channel show`)?",
            code="push_refused",
        )
    return WorldBroke(
        f"The RTMP door hung up after {pushed.media_s:.0f} s: {error}.",
        hint="The stream key was revoked, another publisher took over, or the station restarted; push again.",
        code="push_cut",
    )
