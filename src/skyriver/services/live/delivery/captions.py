"""Captions as HLS has them: a playlist of WebVTT segments a language (RFC 8216, section 3.5). Pure: state in, text out.

Segments have the times, numbers and names of those of another track of the channel, so that all playlists keep to one
timeline. A segment holds every cue that is on the screen at some time in it; cues that come late, because somebody
typed them, are in the later ones that they reach into. Players show a cue once, however many segments have it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

from skyriver.fabric import CaptionTrack
from skyriver.services.live.captions.model import Cue
from skyriver.services.live.delivery import playlists
from skyriver.services.live.delivery.ring import TrackRing

SEGMENT_TYPE = "text/vtt; charset=utf-8"
GROUP = "captions"
MAX_CUES = 256
"""Of one language: those of the whole window, at several a second."""
_ORIGIN_US = 120_000_000
"""WebVTT knows no negative times, and a cue may have begun before its segment: its zero lies so long before that."""
_PTS_HZ, _PTS_BITS = 90_000, 33  # MPEG-2 time stamps: what X-TIMESTAMP-MAP counts in


@dataclass
class CaptionFeed:
    """One language of a channel as an edge has it."""

    description: CaptionTrack
    cues: dict[int, Cue] = field(default_factory=dict)
    reader: asyncio.Task[None] | None = None

    def add(self, cues: Iterable[Cue]) -> None:
        """Take cues by their start: a later one replaces an earlier one. The oldest are forgotten."""
        for cue in cues:
            self.cues[cue.start_us] = cue
        for start_us in sorted(self.cues)[:-MAX_CUES]:
            del self.cues[start_us]


def media_line(name: str, track: CaptionTrack) -> str:
    """The rendition's line in the multivariant playlist."""
    return (
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="{GROUP}",NAME="{_quotable(track.label or track.language)}",'
        f'LANGUAGE="{_quotable(track.language)}",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,'
        'CHARACTERISTICS="public.accessibility.transcribes-spoken-dialog",'
        f'URI="{name}/index.m3u8"'
    )


def media_playlist(ring: TrackRing) -> str:
    """The playlist of one language, in step with `ring`'s whole segments."""
    listed = [segment for segment in ring.listed() if segment.complete]
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{playlists.VERSION}",
        f"#EXT-X-TARGETDURATION:{playlists.target_duration_s(ring)}",
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES",
        f"#EXT-X-MEDIA-SEQUENCE:{listed[0].sequence if listed else 0}",
    ]
    for place, segment in enumerate(listed):
        if segment.missing and place:
            lines += playlists.gaps(listed[place - 1], segment, "gap.vtt")
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{playlists.date_time(segment.start_us)}")
        lines += (f"#EXTINF:{segment.duration_us / 1e6:.6f},", f"{segment.number}.vtt")
    return "\n".join(lines) + "\n"


def segment_text(cues: Iterable[Cue], start_us: int, end_us: int) -> str:
    """One segment: the cues that are on the screen in [start_us, end_us)."""
    zero_us = max(0, start_us - _ORIGIN_US)
    pts = zero_us * _PTS_HZ // 1_000_000 % (1 << _PTS_BITS)
    lines = ["WEBVTT", f"X-TIMESTAMP-MAP=MPEGTS:{pts},LOCAL:00:00:00.000", ""]
    shown = (cue for cue in cues if cue.start_us < end_us and cue.end_us > start_us and cue.start_us >= zero_us)
    for cue in sorted(shown, key=lambda cue: cue.start_us):
        times = f"{_time(cue.start_us - zero_us)} --> {_time(cue.end_us - zero_us)}"
        # An empty line would end the cue, and markup is nobody's to send.
        text = [escape(line, quote=False) for line in cue.text.split("\n") if line.strip()]
        lines += [times, *text, ""]
    return "\n".join(lines) + "\n"


def _time(time_us: int) -> str:
    ms = time_us // 1000
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"


def _quotable(text: str) -> str:
    """Quoted strings of playlists have no quotes and no line ends (RFC 8216, section 4.2)."""
    return text.replace('"', "'").replace("\n", " ").replace("\r", " ")
