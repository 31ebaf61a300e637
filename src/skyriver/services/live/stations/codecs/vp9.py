"""VP9: its configuration (VP codecs in ISO media files), and the size that a keyframe begins with (bitstream, 6.2)."""

from __future__ import annotations

from dataclasses import dataclass

from skyriver.services.live.stations.codecs.bits import BitReader
from skyriver.services.live.stations.errors import DamagedMedia
from skyriver.services.live.stations.events import VideoConfig

_FULL_BOX = b"\1\0\0\0"  # version and flags of the box that the record has in a file: some muxers keep them
_SYNC_CODE = 0x498342
_SRGB = 7
_CHROMA = {0: "4:2:0", 1: "4:2:0", 2: "4:2:2", 3: "4:4:4"}
_LEVELS = ((552_960, 30), (2_228_224, 40), (8_912_896, 50))  # luma samples of a picture, annex A; then 6.0


@dataclass(frozen=True, slots=True)
class Vp9Record:
    """A VPCodecConfigurationRecord."""

    profile: int
    level: int
    bit_depth: int
    chroma: str

    def video_config(self, width: int, height: int) -> VideoConfig:
        """What the stream is, with the size of its last keyframe."""
        level = self.level or next((level for samples, level in _LEVELS if width * height <= samples), 60)
        return VideoConfig(
            codec=f"vp09.{self.profile:02d}.{level:02d}.{self.bit_depth:02d}",
            profile=f"Profile {self.profile}",
            level=level / 10,
            width=width,
            height=height,
            fps=None,
            bit_depth=self.bit_depth,
            chroma=self.chroma,
            interlaced=False,
            parameter_sets_annexb=b"",
        )


def parse_vp9_record(data: bytes) -> Vp9Record:
    """Read a VPCodecConfigurationRecord. Raises DamagedMedia."""
    data = data.removeprefix(_FULL_BOX)
    if not 8 <= len(data) <= 256 or data[0] > 3:
        raise DamagedMedia("The VP9 sequence header is no VPCodecConfigurationRecord.")
    return Vp9Record(data[0], data[1], data[2] >> 4, _CHROMA.get(data[2] >> 1 & 7, "4:2:0"))


def keyframe_size(frame: bytes) -> tuple[int, int]:
    """Width and height that a keyframe begins with. Raises DamagedMedia if it is none."""
    reader = BitReader(frame[:24])
    if reader.bits(2) != 2:
        raise DamagedMedia("A picture is no frame of VP9.")
    profile = reader.bits(1) | reader.bits(1) << 1
    if profile == 3:
        reader.bits(1)
    if reader.flag() or reader.flag():  # show_existing_frame, frame_type: 0 is a keyframe
        raise DamagedMedia("A picture of VP9 that is said to be a keyframe is none.")
    reader.bits(2)  # show_frame, error_resilient_mode
    if reader.bits(24) != _SYNC_CODE:
        raise DamagedMedia("A keyframe of VP9 does not have its sync code.")
    if profile >= 2:
        reader.bits(1)  # ten_or_twelve_bit
    if reader.bits(3) != _SRGB:
        reader.bits(1)  # color_range
        if profile & 1:
            reader.bits(3)  # subsampling_x, subsampling_y, reserved
    elif profile & 1:
        reader.bits(1)
    return reader.bits(16) + 1, reader.bits(16) + 1
