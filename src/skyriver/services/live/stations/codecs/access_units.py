"""H.264 access units from publishers without a sequence header: parameter sets are in the stream (avc3, RFC 6184)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from skyriver.services.live.stations.codecs.h264 import MAX_PARAMETER_SETS_BYTES, START_CODE, AvcRecord
from skyriver.services.live.stations.codecs.sps import MAX_SPS_BYTES
from skyriver.services.live.stations.errors import DamagedMedia
from skyriver.services.live.stations.events import VideoConfig

MAX_NAL_UNITS = 1024  # a picture of 8K has a few hundred slices at most
_MAX_SETS = 32  # of each kind; H.264 knows 32 SPS and 256 PPS, encoders send one or two
_SLICE, _IDR, _SPS, _PPS, _DELIMITER, _FILLER = 1, 5, 7, 8, 9, 12
_START = re.compile(b"\x00\x00\x01")


def split_annexb(payload: bytes) -> list[bytes]:
    """The NAL units of one access unit with start codes (H.264 annex B), without the zero bytes between them.

    Raises DamagedMedia: it does not begin with a start code, or has more than MAX_NAL_UNITS.
    """
    starts = [match.end() for match in _START.finditer(payload)]
    if not starts or payload[: starts[0] - 3].strip(b"\0"):
        raise DamagedMedia("A picture is no H.264 with start codes (annex B).")
    if len(starts) > MAX_NAL_UNITS:
        raise DamagedMedia(f"A picture of {len(starts)} NAL units; the limit is {MAX_NAL_UNITS}.")
    ends = [start - 3 for start in starts[1:]] + [len(payload)]
    return [nal for start, end in zip(starts, ends, strict=True) if (nal := payload[start:end].rstrip(b"\0"))]


class AccessUnits:
    """Follows the parameter sets of one stream: what each access unit needs in front, and when its description changes.

    Rules: an access unit is a keyframe when it holds an IDR slice. A keyframe leaves with an SPS and PPS in front,
    its own or the last ones seen. Delimiters and filler data are dropped. What holds no slice gives nothing, but its
    parameter sets are remembered.
    """

    def __init__(self) -> None:
        self._sps: tuple[bytes, ...] = ()
        self._pps: tuple[bytes, ...] = ()
        self._described: AvcRecord | None = None

    def take(self, nals: Iterable[bytes]) -> tuple[VideoConfig | None, bytes, bool]:
        """One access unit.

        Returns:
            (a new description or None, Annex-B bytes, whether it is a keyframe); the bytes are empty when it holds no
            picture, or one that nobody can decode yet.

        Raises DamagedMedia: parameter sets that contradict themselves.
        """
        sps, pps, kept = [], [], []
        keyframe = has_slice = False
        for nal in nals:
            kind = nal[0] & 31
            if kind == _SPS:
                sps.append(nal)
            elif kind == _PPS:
                pps.append(nal)
            elif kind not in (_DELIMITER, _FILLER):
                keyframe |= kind == _IDR
                has_slice |= _SLICE <= kind <= _IDR
                kept.append(nal)
        self._remember(sps, pps)
        if not has_slice or not (self._sps and self._pps):
            return None, b"", False
        if not keyframe:
            return None, b"".join(START_CODE + nal for nal in kept), False
        record = AvcRecord(4, self._sps, self._pps)
        config = None
        if record != self._described:
            config = record.video_config()
            self._described = record
        return config, record.annexb + b"".join(START_CODE + nal for nal in kept), True

    def _remember(self, sps: list[bytes], pps: list[bytes]) -> None:
        if not sps and not pps:
            return
        total = sum(map(len, sps)) + sum(map(len, pps))
        if total > MAX_PARAMETER_SETS_BYTES or any(len(nal) > MAX_SPS_BYTES for nal in sps):
            raise DamagedMedia(f"H.264 parameter sets of {total} bytes; the limit is {MAX_PARAMETER_SETS_BYTES}.")
        if sps:
            self._sps = tuple(dict.fromkeys(sps))[:_MAX_SETS]
        if pps:
            self._pps = tuple(dict.fromkeys(pps))[:_MAX_SETS]
