"""The video codecs of FLV: each takes its sequence header, and turns frames into what decoders take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from skyriver.services.live.stations.codecs import av1, h264, hevc, vp9
from skyriver.services.live.stations.events import VideoConfig


class VideoCodec(Protocol):
    """One stream of one codec."""

    def configure(self, data: bytes) -> VideoConfig | None:
        """Take a sequence header; what the stream is, if that is new and known. Raises DamagedMedia."""
        ...

    def read(self, data: memoryview, *, keyframe: bool) -> tuple[VideoConfig | None, bytes, bool]:
        """One frame: (what the stream is, if only this frame says so; the frame; whether it is a keyframe).

        Raises DamagedMedia.
        """
        ...


Record = h264.AvcRecord | hevc.HevcRecord


class _NalUnits:
    """H.264 and HEVC: NAL units with length prefixes, and a record that describes them."""

    def __init__(self, parse: Callable[[bytes], Record], to_annexb: Callable[..., tuple[bytes, bool]]) -> None:
        self._parse = parse
        self._to_annexb = to_annexb
        self._record: Record | None = None

    def configure(self, data: bytes) -> VideoConfig | None:
        record = self._parse(data)
        if record == self._record:
            return None
        config = record.video_config()
        self._record = record
        return config

    def read(self, data: memoryview, *, keyframe: bool) -> tuple[VideoConfig | None, bytes, bool]:
        if self._record is None:
            return None, b"", False
        return None, *self._to_annexb(data, self._record, keyframe=keyframe)


class _Av1:
    _record: av1.Av1Record | None = None

    def configure(self, data: bytes) -> VideoConfig | None:
        record = av1.parse_av1_record(data)
        if record == self._record:
            return None
        self._record = record
        return record.video

    def read(self, data: memoryview, *, keyframe: bool) -> tuple[VideoConfig | None, bytes, bool]:
        if self._record is None:
            return None, b"", False
        return None, av1.to_temporal_unit(bytes(data), self._record, keyframe=keyframe), keyframe


class _Vp9:
    _record: vp9.Vp9Record | None = None
    _size = (0, 0)

    def configure(self, data: bytes) -> VideoConfig | None:
        record = vp9.parse_vp9_record(data)
        if record != self._record:
            self._record, self._size = record, (0, 0)
        return None  # the size stands in the keyframes

    def read(self, data: memoryview, *, keyframe: bool) -> tuple[VideoConfig | None, bytes, bool]:
        frame, config = bytes(data), None
        if self._record is None:
            return None, b"", False
        if keyframe and frame:
            size = vp9.keyframe_size(frame)
            if size != self._size:
                self._size = size
                config = self._record.video_config(*size)
        return (config, frame, keyframe) if self._size != (0, 0) else (None, b"", False)


VIDEO_CODECS: Mapping[bytes, Callable[[], VideoCodec]] = {
    b"avc1": lambda: _NalUnits(h264.parse_avc_record, h264.to_annexb),
    b"hvc1": lambda: _NalUnits(hevc.parse_hevc_record, hevc.to_annexb),
    b"av01": _Av1,
    b"vp09": _Vp9,
}
