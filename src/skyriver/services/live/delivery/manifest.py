"""The DASH manifest (ISO/IEC 23009-1) of the same segments: live profile, a timeline of what there is.

Time in the media is microseconds since the Unix epoch, and so is the timeline: the period begins in 1970, and segments
are named by when they begin. Those that are missing, because the publisher was away, are not in the timeline, so that
players pass over them; a plain count would have them ask in vain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.sax.saxutils import quoteattr

from skyriver.services.live.delivery.playlists import Rendition
from skyriver.services.live.delivery.ring import TrackRing

CONTENT_TYPE = "application/dash+xml"
_SLOT_S = 2
_DELAY_S = 6  # three segments: what players that know nothing of parts do with HLS, too
_DEPTH_S = 24
"""What is listed once a channel has been watched for so long; players begin at the delay, and do not miss the rest."""
_UPDATE_S = _SLOT_S


def mpd(
    videos: Sequence[Rendition],
    audio: Rendition | None,
    rings: Mapping[str, TrackRing],
    *,
    now: datetime,
    available_s: float,
) -> str:
    """The manifest as XML.

    Args:
        rings: the tracks' segments, by name.
        now: UTC: when it is made, and what players may set their clocks by.
        available_s: how long ago the oldest segment began that every track has. Players that begin where they are told
            would ask in vain for what was before an edge had its first viewer.
    """
    delay_s = min(_DELAY_S, max(_SLOT_S, int(available_s)))  # FFmpeg reads whole seconds
    moment = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    sets = []
    if videos:
        sets.append(_adaptation_set("video", "video/mp4", videos, rings))
    if audio is not None:
        sets.append(_adaptation_set("audio", "audio/mp4", [audio], rings))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="dynamic"'
        ' availabilityStartTime="1970-01-01T00:00:00Z"'
        f' publishTime="{moment}" minimumUpdatePeriod="PT{_UPDATE_S}S" minBufferTime="PT{_SLOT_S}S"'
        f' timeShiftBufferDepth="PT{_DEPTH_S}S" suggestedPresentationDelay="PT{delay_s}S"'
        f' maxSegmentDuration="PT{_SLOT_S}S">\n'
        ' <Period id="0" start="PT0S">\n' + "".join(sets) + " </Period>\n"
        f' <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" value="{moment}"/>\n'
        "</MPD>\n"
    )


def _adaptation_set(kind: str, mime_type: str, renditions: Sequence[Rendition], rings: Mapping[str, TrackRing]) -> str:
    lines = [
        f'  <AdaptationSet id="{1 if kind == "video" else 2}" contentType="{kind}" mimeType="{mime_type}"'
        ' segmentAlignment="true" startWithSAP="1">'
    ]
    for rendition in renditions:
        fields = f"id={quoteattr(rendition.name)} codecs={quoteattr(rendition.codec)}"
        fields += f' bandwidth="{rendition.peak_bps}"'
        channels = ""
        if kind == "video":
            fields += f' width="{rendition.width}" height="{rendition.height}"'
            if rendition.framerate:
                fields += f' frameRate="{round(rendition.framerate * 1000)}/1000"'
        else:
            fields += f' audioSamplingRate="{rendition.sample_rate_hz}"'
            scheme = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
            channels = f'<AudioChannelConfiguration schemeIdUri="{scheme}" value="{rendition.channels}"/>'
        template = (
            f'<SegmentTemplate timescale="1000000" initialization="$RepresentationID$/{rendition.init_name}"'
            f' media="$RepresentationID$/t$Time$.m4s">{_timeline(rings[rendition.name])}</SegmentTemplate>'
        )
        lines.append(f"   <Representation {fields}>{channels}{template}</Representation>")
    lines.append("  </AdaptationSet>\n")
    return "\n".join(lines)


def _timeline(ring: TrackRing) -> str:
    """Every whole segment that needs no other init segment than the newest."""
    newest = ring.segments[-1].init
    whole = [segment for segment in ring.listed() if segment.complete and segment.init == newest]
    entries = "".join(f'<S t="{segment.start_us}" d="{segment.duration_us}"/>' for segment in whole)
    return f"<SegmentTimeline>{entries}</SegmentTimeline>"
