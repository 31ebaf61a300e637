"""Real tracks as a fabric delivers them, and what their parts look like to FFmpeg."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import av
from av.container import InputContainer

from skyriver.fabric import AudioTrack, MediaFrame, VideoTrack
from skyriver.services.live.cmaf import Part, Segmenter, segmenter_for
from skyriver.services.live.media.units import Unit

VIDEO = VideoTrack("avc3.64001e", 640, 360, 30.0, 800_000)


def frames(units: Iterable[Unit]) -> list[MediaFrame]:
    """Units as frames of a track, grouped by ticks of 250 ms."""
    return [MediaFrame(unit.payload, unit.pts_us, unit.keyframe, unit.pts_us // 250_000) for unit in units]


def aac(config: bytes, rate_hz: int = 48_000, channels: int = 2) -> AudioTrack:
    return AudioTrack("mp4a.40.2", rate_hz, channels, config, 128_000)


def package(
    track: VideoTrack | AudioTrack, units: Iterable[Unit], *, flush: bool = True, segmenter: Segmenter | None = None
) -> list[Part]:
    """All parts of a track."""
    segmenter = segmenter or segmenter_for(track)
    parts = [part for frame in frames(units) for part in segmenter.push(frame)]
    return parts + segmenter.flush() if flush else parts


def read(parts: Sequence[Part]) -> list[tuple[int, int, int, bool]]:
    """(dts_us, pts_us, bytes, keyframe) of each sample, by FFmpeg's demuxer."""
    with _open(parts) as container:
        return [
            (
                round(packet.dts * packet.time_base * 1_000_000),
                round(packet.pts * packet.time_base * 1_000_000),
                packet.size,
                packet.is_keyframe,
            )
            for packet in container.demux()
            if packet.dts is not None and packet.pts is not None and packet.size
        ]


def pictures(parts: Sequence[Part]) -> list[int]:
    """Presentation times (µs) of the decoded pictures, in the order in which they are shown."""
    with _open(parts) as container:
        return [round((frame.time or 0.0) * 1_000_000) for frame in container.decode(video=0)]


def _open(parts: Sequence[Part]) -> InputContainer:
    content = io.BytesIO(parts[0].init.data + b"".join(part.data for part in parts))
    return av.open(content, "r", format="mp4")
