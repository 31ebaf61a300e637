"""HLS playlists of recordings (RFC 8216). Pure: an index in, text out.

A finished recording is a VOD playlist; a running one is an EVENT playlist, or a sliding one when only a window of it
may be seen. Segments keep their times since the Unix epoch: where something is missing, or a track is described anew,
every playlist has a discontinuity at the same place, and players join the ends.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil

from skyriver.fabric.numbering import SLOT_US
from skyriver.services.live.recorder.layout import Index, Segment, TrackInfo
from skyriver.services.live.recorder.sheets import COLUMNS, EVERY_US, HEIGHT, PER_SHEET, WIDTH

CONTENT_TYPE = "application/vnd.apple.mpegurl"
_VERSION = 7  # fragmented MP4 in EXT-X-MAP
_ALIGN_US = SLOT_US // 2  # tracks are cut at slots, some at their own keyframes: the same place within this
GRACE_US = 60_000_000
"""How long a segment can still be had that has left a sliding playlist: players that paused are not cut off at once."""


@dataclass(frozen=True)
class View:
    """What of a recording is played.

    `ended`: nothing will be added. `from_us`, `to_us`: of a clip, what was asked for, within its segments.
    `window_us`: how much of the recording may be seen, back from its end.
    """

    ended: bool = True
    from_us: int | None = None
    to_us: int | None = None
    window_us: int | None = None


def multivariant(index: Index, view: View) -> str:
    """The playlist of renditions."""
    videos, sound = index.videos(), next(iter(index.audios()), None)
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS", *_start(index, view)]
    if sound is not None and videos:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,'
            f'CHANNELS="{sound.channels}",URI="{sound.name}/index.m3u8"'
        )
    for video in videos:
        lines += [_variant(index, video, sound), f"{video.name}/index.m3u8"]
    if sound is not None and not videos:
        lines += [_variant(index, sound, None), f"{sound.name}/index.m3u8"]
    return "\n".join(lines) + "\n"


def media(index: Index, track: str, view: View) -> str:
    """One track's playlist. Its segments' numbers in the playlist are their places in the recording, for ever."""
    segments = index.of(track)
    first = _first_listed(index, segments, view)
    breaks = _breaks(index)
    starts = [segment.start_us for segment in segments]
    broken = {bisect_left(starts, time_us - _ALIGN_US) for time_us in breaks} - {0}
    longest_us = max((segment.duration_us for segment in segments), default=SLOT_US)
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{_VERSION}",
        f"#EXT-X-TARGETDURATION:{max(1, ceil(longest_us / 1e6 - 1e-3))}",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
    ]
    if skipped := sum(place <= first for place in broken):
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{skipped}")
    if view.ended or view.window_us is None:
        lines.append(f"#EXT-X-PLAYLIST-TYPE:{'VOD' if view.ended else 'EVENT'}")
    lines += ["#EXT-X-INDEPENDENT-SEGMENTS", *_start(index, view)]
    init = ""
    for place, segment in enumerate(segments[first:], first):
        if place in broken and place > first:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.init != init:
            init = segment.init
            lines.append(f'#EXT-X-MAP:URI="{init}"')
        if place == first or place in broken:
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{date_time(segment.start_us)}")
        lines += [f"#EXTINF:{segment.duration_us / 1e6:.6f},", f"{segment.number}.m4s"]
    if view.ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def thumbnails(numbers: Sequence[int], index: Index) -> str:
    """WebVTT cues that name a place on a sheet for every stretch of the recording, as players' scrub bars read it.

    Times are the player's: from the recording's beginning, without what is missing.
    """
    lines = ["WEBVTT", ""]
    clock = PlayerClock(index)
    for place, number in enumerate(numbers):
        begin_us, end_us = clock.at(number * EVERY_US), clock.at((number + 1) * EVERY_US)
        if end_us <= begin_us:
            continue
        x, y = place % PER_SHEET % COLUMNS * WIDTH, place % PER_SHEET // COLUMNS * HEIGHT
        lines += [
            f"{_cue_time(begin_us)} --> {_cue_time(end_us)}",
            f"sprites/{place // PER_SHEET}.jpg#xywh={x},{y},{WIDTH},{HEIGHT}",
            "",
        ]
    return "\n".join(lines)


class PlayerClock:
    """Media time -> the time a player shows, which has no gaps and begins with zero."""

    def __init__(self, index: Index) -> None:
        self._start_us = index.start_us
        self._end_us = index.end_us
        self._gaps = index.gaps()

    def at(self, time_us: int) -> int:
        """A moment outside the recording, or within a gap, is that of its nearest end."""
        time_us = min(max(time_us, self._start_us), self._end_us)
        missed = sum(min(time_us, gap.to_us) - gap.from_us for gap in self._gaps if gap.from_us < time_us)
        return time_us - self._start_us - missed


def date_time(time_us: int) -> str:
    """Media time as RFC 3339 in UTC, whole milliseconds."""
    moment = datetime.fromtimestamp(time_us // 1000 / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _variant(index: Index, track: TrackInfo, sound: TrackInfo | None) -> str:
    peak_bps, average_bps = _rates(index, track)
    codecs = [track.codec]
    if sound is not None:
        sound_peak_bps, sound_average_bps = _rates(index, sound)
        peak_bps, average_bps = peak_bps + sound_peak_bps, average_bps + sound_average_bps
        codecs.append(sound.codec)
    fields = [f"BANDWIDTH={peak_bps}", f"AVERAGE-BANDWIDTH={average_bps}", f'CODECS="{",".join(codecs)}"']
    if track.kind == "video":
        fields.append(f"RESOLUTION={track.width}x{track.height}")
        if track.framerate:
            fields.append(f"FRAME-RATE={track.framerate:.3f}")
    if sound is not None:
        fields.append('AUDIO="sound"')
    return "#EXT-X-STREAM-INF:" + ",".join(fields)


def _rates(index: Index, track: TrackInfo) -> tuple[int, int]:
    """Peak of any segment of a second and more, and average; bit/s, at least 1."""
    segments = index.of(track.name)
    total_us = sum(segment.duration_us for segment in segments)
    if not total_us:
        return max(1, track.bitrate_bps or 1), max(1, track.bitrate_bps or 1)
    average_bps = sum(segment.size_bytes for segment in segments) * 8_000_000 // total_us
    whole = (s.size_bytes * 8_000_000 // s.duration_us for s in segments if s.duration_us >= 1_000_000)
    return max(1, average_bps, *whole), max(1, average_bps)


def _first_listed(index: Index, segments: Sequence[Segment], view: View) -> int:
    if view.window_us is None:
        return 0
    from_us = index.end_us - view.window_us
    return next((place for place, segment in enumerate(segments) if segment.end_us > from_us), 0)


def _breaks(index: Index) -> list[int]:
    """Where playlists have a discontinuity, media time: behind each gap, and where a track is described anew."""
    breaks = [gap.to_us for gap in index.gaps()]
    for track in index.tracks:
        breaks += [b.start_us for a, b in pairwise(index.of(track)) if a.init != b.init]
    breaks.sort()
    merged: list[int] = []
    for time_us in breaks:
        if not merged or time_us - merged[-1] > SLOT_US:
            merged.append(time_us)
    return merged


def _start(index: Index, view: View) -> list[str]:
    if view.from_us is None:
        return []
    offset_us = max(0, view.from_us - index.start_us)
    return [f"#EXT-X-START:TIME-OFFSET={offset_us / 1e6:.3f},PRECISE=YES"]


def _cue_time(time_us: int) -> str:
    ms = round(time_us / 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
