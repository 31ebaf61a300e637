"""The header of an enhanced tag (Enhanced RTMP v2, "Enhanced Video" and "Enhanced Audio")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skyriver.services.live.stations.errors import DamagedMedia

_MOD_EX = 7
_ONE_TRACK, _MANY_TRACKS_MANY_CODECS = 0, 2
_TRACKS_MAX = 256  # their numbers have eight bits


@dataclass(frozen=True, slots=True)
class Header:
    """What a tag holds: its packet type, its codec, and the rest."""

    packet_type: int
    fourcc: bytes
    payload: memoryview


def enhanced_header(
    body: memoryview, multitrack: int, kind: str, left_out: Callable[[int], None] = lambda number: None
) -> Header | None:
    """The header of an enhanced tag; of a multitrack one that of track 0, None where that is not in it.

    Args:
        multitrack: the packet type that says so; it differs between audio and video.
        left_out: told the number of each other track.

    Raises:
        DamagedMedia: the tag ends within its header, or has more tracks than there are numbers.
    """
    packet_type, at = body[0] & 15, 1
    while packet_type == _MOD_EX:  # optional modifiers (nanoseconds) before the packet itself
        if len(body) < at + 4:
            raise _cut_off(kind)
        size = body[at] + 1
        at += 1
        if size == 256:
            size = int.from_bytes(body[at : at + 2], "big") + 1
            at += 2
        at += size
        if at >= len(body):
            raise _cut_off(kind)
        packet_type = body[at] & 15
        at += 1
    if packet_type == multitrack:
        return _track_0(body[at:], kind, left_out)
    if len(body) < at + 4:
        raise _cut_off(kind)
    return Header(packet_type, bytes(body[at : at + 4]), body[at + 4 :])


def _track_0(data: memoryview, kind: str, left_out: Callable[[int], None]) -> Header | None:
    if len(data) < 1:
        raise _cut_off(kind)
    tracks, packet_type, at = data[0] >> 4, data[0] & 15, 1
    fourcc = b""
    if tracks != _MANY_TRACKS_MANY_CODECS:
        fourcc, at = bytes(data[at : at + 4]), at + 4
    found: Header | None = None
    seen = 0
    while at < len(data):
        seen += 1
        if seen > _TRACKS_MAX:
            raise DamagedMedia(f"The {kind} of this stream has more tracks in one tag than there are numbers for them.")
        if tracks == _MANY_TRACKS_MANY_CODECS:
            fourcc, at = bytes(data[at : at + 4]), at + 4
        if len(fourcc) < 4 or at >= len(data):
            raise _cut_off(kind)
        number, at = data[at], at + 1
        end = len(data)
        if tracks != _ONE_TRACK:
            end, at = at + 3 + int.from_bytes(data[at : at + 3], "big"), at + 3
        if end > len(data):
            raise _cut_off(kind)
        if number == 0:
            found = Header(packet_type, fourcc, data[at:end])
        else:
            left_out(number)
        at = end
    return found


def _cut_off(kind: str) -> DamagedMedia:
    return DamagedMedia(f"An enhanced {kind} tag ends within its header.")
