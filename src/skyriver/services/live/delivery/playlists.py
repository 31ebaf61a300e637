"""HLS playlists out of rings (RFC 8216; low latency: draft-pantos-hls-rfc8216bis). Pure: state in, text out.

One media playlist serves both kinds of player: those that know parts follow the live edge by them, others see
segments of 2 s only.

There are no discontinuities. RFC 8216, section 6.2.4 wants them at the same places of every rendition, but tracks come
and are described anew one by one, and a player that finds another count in the sound than in the picture may wait for
ever. None is needed: all tracks keep to one timeline, media time, whatever happens. Another set-up is another
EXT-X-MAP. Where something is missing there are segments with EXT-X-GAP, so that a playlist's durations add up to media
time: a player that adds them up (hls.js does) would otherwise move the picture to where the hole began, and not the
sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from skyriver.services.live.cmaf import InitSegment
from skyriver.services.live.delivery.ring import Segment, TrackRing

VERSION = 9  # EXT-X-SKIP
CONTENT_TYPE = "application/vnd.apple.mpegurl"
_SLOT_S = 2
_PART_HOLD_BACK = 3.0  # part targets; what LL-HLS recommends
_SKIP_BOUNDARY = 6  # target durations; the least that it allows
_PARTS_FOR = 3  # target durations from the end; older parts are of no use to anybody
_SOUND_EARLY_US = 2000
"""hls.js puts the sound beside the picture by these dates, of which it reads milliseconds. Where it takes a segment's
end for later than its media's, were it by a microsecond, it looks for the rest of that segment instead of the next one,
until no part of it is listed: the sound, and with it the picture, stops for seconds. So the sound's dates are cut by
more than the picture's ever are, and by what rounded durations add up to."""
_LIVE_PEAK_MARGIN = 1.1
"""A live stream's peaks may not exceed BANDWIDTH by more than a quarter (Apple's authoring rules): leave some room."""


@dataclass(frozen=True)
class Rendition:
    """One track as the multivariant playlist and the MPD offer it. `codec` is RFC 6381; rates in bit/s."""

    name: str
    codec: str
    peak_bps: int
    average_bps: int
    width: int = 0
    height: int = 0
    framerate: float | None = None
    channels: int = 0
    sample_rate_hz: int = 0
    init_name: str = ""


def multivariant(videos: Sequence[Rendition], audio: Rendition | None, captions: Sequence[str] = ()) -> str:
    """The playlist of what there is: a variant for each video track with the sound, or the sound alone.

    Args:
        captions: the lines of languages, see `captions.media_line`.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if audio is not None and videos:
        lines.append(
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,'
            f'CHANNELS="{audio.channels}",URI="{audio.name}/index.m3u8"'
        )
    if videos:
        lines += captions
    for video in videos:
        lines += [_variant(video, audio, captioned=bool(captions)), f"{video.name}/index.m3u8"]
    if audio is not None and not videos:
        lines += [
            f'#EXT-X-STREAM-INF:BANDWIDTH={audio.peak_bps},AVERAGE-BANDWIDTH={audio.average_bps},CODECS="{audio.codec}"',
            f"{audio.name}/index.m3u8",
        ]
    return "\n".join(lines) + "\n"


def _variant(video: Rendition, audio: Rendition | None, *, captioned: bool) -> str:
    peak_bps = video.peak_bps + (audio.peak_bps if audio else 0)
    average_bps = video.average_bps + (audio.average_bps if audio else 0)
    codecs = video.codec if audio is None else f"{video.codec},{audio.codec}"
    fields = [f"BANDWIDTH={peak_bps}", f"AVERAGE-BANDWIDTH={average_bps}", f'CODECS="{codecs}"']
    fields.append(f"RESOLUTION={video.width}x{video.height}")
    if video.framerate:
        fields.append(f"FRAME-RATE={video.framerate:.3f}")
    fields.append("VIDEO-RANGE=SDR")
    if audio is not None:
        fields.append('AUDIO="sound"')
    if captioned:
        fields.append('SUBTITLES="captions"')
    fields.append("CLOSED-CAPTIONS=NONE")
    return f"#EXT-X-STREAM-INF:{','.join(fields)}"


def media_playlist(ring: TrackRing, others: Iterable[TrackRing] = (), *, skip: bool = False) -> str:
    """The playlist of one track.

    Args:
        others: the channel's other tracks, for rendition reports.
        skip: a delta update: segments before the skip boundary are counted only.
    """
    listed = ring.listed()
    target_s = target_duration_s(ring)
    part_target_s = ring.part_target_us / 1e6
    first = listed[0]
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{target_s}",
        f"#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={part_target_s * _PART_HOLD_BACK:.3f},"
        f"CAN-SKIP-UNTIL={target_s * _SKIP_BOUNDARY:.1f}",
        f"#EXT-X-PART-INF:PART-TARGET={part_target_s:.3f}",
        f"#EXT-X-MEDIA-SEQUENCE:{first.sequence}",
    ]
    end_us = _end_us(listed)
    skipped = _skippable(listed, end_us - target_s * _SKIP_BOUNDARY * 1_000_000) if skip else 0
    if skipped:
        lines.append(f"#EXT-X-SKIP:SKIPPED-SEGMENTS={listed[skipped - 1].sequence + 1 - first.sequence}")
    parts_from_us = end_us - target_s * _PARTS_FOR * 1_000_000
    init = listed[skipped - 1].init if skipped else None
    for place, segment in enumerate(listed[skipped:], skipped):
        if segment.missing and place:
            lines += gaps(listed[place - 1], segment)
        if segment.init is not init and segment.init != init:
            lines.append(f'#EXT-X-MAP:URI="{segment.init.name}"')
        init = segment.init
        lines.append(_date(segment.start_us, init))
        if segment.start_us + segment.duration_us > parts_from_us:
            lines += _parts(segment)
        if segment.complete:
            lines += (f"#EXTINF:{segment.duration_us / 1e6:.6f},", f"{segment.number}.m4s")
    if ring.pending is not None:
        lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{ring.pending[0]}.{ring.pending[1]}.m4s"')
    lines += [_report(other) for other in others if other.segments]
    return "\n".join(lines) + "\n"


def gaps(before: Segment, after: Segment, name: str = "gap.m4s") -> list[str]:
    """The lines of what is missing between two segments."""
    from_us = before.start_us + before.duration_us
    step_us = (after.start_us - from_us) / after.missing
    lines = []
    for n in range(after.missing):
        lines.append(_date(round(from_us + n * step_us), after.init))
        lines += ["#EXT-X-GAP", f"#EXTINF:{step_us / 1e6:.6f},", name]
    return lines


def target_duration_s(ring: TrackRing) -> int:
    """No segment is longer, rounded to whole seconds. Two, but for a source of longer GOPs."""
    return max(_SLOT_S, (ring.longest_us + 500_000) // 1_000_000)


def _date(time_us: int, init: InitSegment) -> str:
    return f"#EXT-X-PROGRAM-DATE-TIME:{date_time(time_us if init.video else time_us - _SOUND_EARLY_US)}"


def date_time(time_us: int) -> str:
    """Media time as ISO 8601 with milliseconds: `2026-01-01T00:00:00.000Z`."""
    return datetime.fromtimestamp(time_us // 1000 / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rendition_rates(ring: TrackRing, stated_bps: int) -> tuple[int, int]:
    """(peak, average) bit/s: of the segments there are; what the catalog says while there is none."""
    complete = [segment for segment in ring.segments if segment.complete and segment.duration_us >= 500_000]
    if not complete:
        return stated_bps, stated_bps
    peak_bps = max(segment.size_bytes * 8e6 / segment.duration_us for segment in complete)
    total_us = sum(segment.duration_us for segment in complete)
    average_bps = sum(segment.size_bytes for segment in complete) * 8e6 / total_us
    return ceil(peak_bps * _LIVE_PEAK_MARGIN), ceil(average_bps)


def _parts(segment: Segment) -> list[str]:
    lines = []
    for part in segment.parts:
        independent = ",INDEPENDENT=YES" if part.independent else ""
        uri = f"{segment.number}.{part.index}.m4s"
        lines.append(f'#EXT-X-PART:DURATION={part.duration_us / 1e6:.6f},URI="{uri}"{independent}')
    return lines


def _end_us(listed: Sequence[Segment]) -> int:
    return listed[-1].start_us + listed[-1].duration_us


def _skippable(listed: Sequence[Segment], boundary_us: int) -> int:
    """How many complete segments end before the skip boundary; none is skipped unless more than one is (that would
    not be shorter)."""
    count = 0
    for segment in listed:
        if not segment.complete or segment.start_us + segment.duration_us > boundary_us:
            break
        count += 1
    return count if count > 1 else 0


def _report(ring: TrackRing) -> str:
    newest = ring.segments[-1]
    return (
        f'#EXT-X-RENDITION-REPORT:URI="../{ring.name}/index.m3u8",'
        f"LAST-MSN={newest.sequence},LAST-PART={len(newest.parts) - 1}"
    )
