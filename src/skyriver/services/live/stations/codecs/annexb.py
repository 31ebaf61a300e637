"""H.264 and HEVC as they come with start codes (ITU-T H.264 and H.265, annex B): one access unit at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from skyriver.services.live.stations.codecs.h264 import AvcRecord
from skyriver.services.live.stations.codecs.hevc import HevcRecord
from skyriver.services.live.stations.errors import DamagedMedia
from skyriver.services.live.stations.events import VideoConfig

MAX_NAL_UNITS = 2048  # of one access unit: 4K with a slice for every row of blocks has 270
_START = b"\0\0\1"


class ParameterSets(Protocol):
    """What describes a stream: `AvcRecord`, `HevcRecord`."""

    @property
    def annexb(self) -> bytes:
        """All of it with start codes, as it stands before a keyframe."""
        ...

    def video_config(self) -> VideoConfig:
        """What it says. Raises DamagedMedia."""
        ...


class AnnexBReader:
    """Access units in, the same with parameter sets before each keyframe out. One a stream: `h264()` or `hevc()`."""

    delimiter: int
    sets: tuple[int, ...]
    keyframes: frozenset[int]

    def __init__(self) -> None:
        self._known: dict[int, tuple[bytes, ...]] = {}
        self._record: ParameterSets | None = None

    def read(self, unit: bytes, *, random_access: bool) -> tuple[VideoConfig | None, bytes, bool]:
        """Read one access unit.

        Args:
            random_access: the container says that decoding can begin here; believed where parameter sets stand.

        Returns:
            (what the stream is, if that is new; the unit without its delimiter; whether it is a keyframe). The unit is
            empty while nothing describes it.

        Raises:
            DamagedMedia: parameter sets that make no sense.
        """
        found: dict[int, list[bytes]] = {}
        keyframe, begins = False, -1
        for code, at, end in _nal_units(unit):
            kind = self.kind(unit[at])
            if kind == self.delimiter:
                continue
            if begins < 0:
                begins = code
            if kind in self.sets:
                found.setdefault(kind, []).append(unit[at:end].rstrip(b"\0"))
            elif kind in self.keyframes:
                keyframe = True
        if begins < 0:
            return None, b"", False
        config = self._learn({kind: tuple(nals) for kind, nals in found.items()}) if found else None
        if self._record is None:
            return None, b"", False
        has_sets = self.sets[-2] in found
        keyframe = keyframe or (random_access and has_sets)
        payload = unit[begins:]
        return config, self._record.annexb + payload if keyframe and not has_sets else payload, keyframe

    def kind(self, header: int) -> int:
        """A NAL unit's type, by the first byte of its header."""
        raise NotImplementedError

    def record(self, known: Mapping[int, tuple[bytes, ...]]) -> ParameterSets:
        """Parameter sets by NAL unit type, all types of `sets`."""
        raise NotImplementedError

    def _learn(self, found: Mapping[int, tuple[bytes, ...]]) -> VideoConfig | None:
        known = {**self._known, **found}
        if known == self._known or any(kind not in known for kind in self.sets):
            self._known = known
            return None
        record = self.record(known)
        config = record.video_config()
        self._known, self._record = known, record
        return config


class H264Reader(AnnexBReader):
    delimiter, sets, keyframes = 9, (7, 8), frozenset((5,))

    def kind(self, header: int) -> int:
        return header & 31

    def record(self, known: Mapping[int, tuple[bytes, ...]]) -> ParameterSets:
        return AvcRecord(4, known[7], known[8])


class HevcReader(AnnexBReader):
    delimiter, sets, keyframes = 35, (32, 33, 34), frozenset(range(16, 22))  # IRAP pictures, H.265 table 7-1

    def kind(self, header: int) -> int:
        return header >> 1 & 63

    def record(self, known: Mapping[int, tuple[bytes, ...]]) -> ParameterSets:
        return HevcRecord(4, known[32], known[33], known[34])


def _nal_units(unit: bytes) -> list[tuple[int, int, int]]:
    """(where its start code begins, where it begins, where it ends) of each NAL unit."""
    found = []
    at = unit.find(_START)
    while at >= 0:
        begins = at + 3
        following = unit.find(_START, begins)
        end = following if following >= 0 else len(unit)
        if begins < end:
            code = at - 1 if at > 0 and unit[at - 1] == 0 else at
            found.append((code, begins, end))
            if len(found) > MAX_NAL_UNITS:
                raise DamagedMedia(f"A picture of more than {MAX_NAL_UNITS} NAL units.")
        at = following
    return found
