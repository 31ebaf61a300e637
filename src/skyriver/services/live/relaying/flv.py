"""Frames of a broadcast as FLV tag bodies (Adobe FLV 10.1, E.4.2 and E.4.3), for whoever takes RTMP.

Decode times: a fabric track has presentation times in decoding order, RTMP sends decode times. The n-th frame is
decoded at the n-th smallest presentation time, shifted by as many frames as the stream reorders (its SPS says how
many; none without B-frames): so no frame is shown before it is decoded, and nothing has to be waited for.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

from skyriver.services.live.cmaf.avc import AvcParameterSets, length_prefixed
from skyriver.services.live.stations.rtmp import amf0

AUDIO_TAG, DATA_TAG, VIDEO_TAG = 8, 18, 9
_AVC, _AAC = 7, 10.0
_KEYFRAME, _INTER = 0x17, 0x27
_AAC_HEADER = 0xAF
_FRAME_US = 33_333
"""What a reordered frame is taken to last before there was one; only the first frames of a stream see it."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One FLV tag: what an RTMP message of type `kind` carries. `dts_us` is in the media time of the frames."""

    kind: int
    body: bytes
    dts_us: int
    keyframe: bool = False
    header: bool = False
    """Describes the track's frames from here on; a far side that begins later needs it too."""


class DecodeTimes:
    """Decode times of frames that come in decoding order with their presentation times."""

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._last_us: int | None = None
        self.reorder = 0

    def take(self, pts_us: int) -> int:
        """The frame's decode time: later than the one before it."""
        missing = self.reorder - len(self._waiting)
        heapq.heappush(self._waiting, pts_us)
        if missing > 0:
            dts_us = self._waiting[0] - missing * _FRAME_US
        else:
            while len(self._waiting) > self.reorder + 1:  # it reorders less than it did
                heapq.heappop(self._waiting)
            dts_us = heapq.heappop(self._waiting)
        if self._last_us is not None:
            dts_us = max(dts_us, self._last_us + 1000)  # RTMP counts whole milliseconds
        self._last_us = dts_us
        return dts_us


class AvcTags:
    """An H.264 track, Annex-B with parameter sets before each keyframe, as tags. Begins at the first keyframe."""

    def __init__(self, parameter_sets: bytes = b"") -> None:
        """`parameter_sets`: Annex-B, where they are known from elsewhere and may not be in the stream."""
        self._sets = length_prefixed(parameter_sets)[2]
        self._told: AvcParameterSets | None = None
        self._times = DecodeTimes()

    def take(self, annexb: bytes, pts_us: int, *, dts_us: int | None = None) -> list[Tag]:
        """The tags of one access unit: a sequence header first where the parameter sets are new.

        Args:
            dts_us: its decode time where that is known.

        Raises:
            DamagedMedia: its parameter sets cannot be read.
        """
        data, sync, sets = length_prefixed(annexb)
        self._sets = sets or self._sets
        if self._sets is None or not data or (self._told is None and not sync):
            return []
        self._times.reorder = self._sets.reorder
        decoded_us = self._times.take(pts_us) if dts_us is None else dts_us
        tags = []
        if self._sets != self._told:
            self._told = self._sets
            body = bytes((_KEYFRAME, 0, 0, 0, 0)) + self._sets.record()
            tags.append(Tag(VIDEO_TAG, body, decoded_us, header=True))
        offset_ms = max(pts_us - decoded_us, 0) // 1000
        head = bytes((_KEYFRAME if sync else _INTER, 1)) + min(offset_ms, 0x7FFFFF).to_bytes(3, "big")
        tags.append(Tag(VIDEO_TAG, head + data, decoded_us, keyframe=sync))
        return tags


def aac_header(config: bytes, pts_us: int) -> Tag:
    """The sequence header of an AAC track. `config` is its AudioSpecificConfig."""
    return Tag(AUDIO_TAG, bytes((_AAC_HEADER, 0)) + config, pts_us, header=True)


def aac_frame(payload: bytes, pts_us: int) -> Tag:
    """One raw AAC access unit."""
    return Tag(AUDIO_TAG, bytes((_AAC_HEADER, 1)) + payload, pts_us)


def metadata(*, width: int, height: int, fps: float | None, audio: bool, encoder: str = "Skyriver") -> Tag:
    """`@setDataFrame onMetaData`, which some platforms want before the first frame."""
    values: dict[str, amf0.Value] = {"encoder": encoder, "videocodecid": float(_AVC)}
    values |= {"width": float(width), "height": float(height)} if width and height else {}
    values |= {"framerate": fps} if fps else {}
    values |= {"audiocodecid": _AAC} if audio else {}
    described: Mapping[str, amf0.Value] = values
    return Tag(DATA_TAG, amf0.encode("@setDataFrame", "onMetaData", described), 0, header=True)
