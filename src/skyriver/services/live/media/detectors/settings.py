"""Thresholds, with the defaults that suit most channels; each channel may have its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class DetectorSettings:
    """What counts as wrong, and for how long it has to be so before it is an alarm.

    Attributes:
        enabled: False: nothing is looked at, and nothing costs anything.
        black_share: share of the picture that is dark, from which it counts as black.
        black_level: luma from 0 (black) to 1 (white) up to which a point is dark.
        frozen_noise: largest change of any spot (of 1/128 of the width), as a share of white, that is no movement.
        silence_dbfs: root mean square below which there is no sound.
        loud_max_lufs, loud_min_lufs: bounds of the short-term loudness (EBU R 128: -23 LUFS is the target).
        keyframe_max_s: longest distance of keyframes: a viewer's start waits for one.
        bitrate_share, fps_share: share of the channel's own usual, below which something has collapsed.
        *_alarm_s: how long before the alarm.
    """

    enabled: bool = True
    black_share: float = 0.98
    black_level: float = 0.10
    black_alarm_s: float = 10.0
    frozen_noise: float = 0.03
    frozen_alarm_s: float = 20.0
    silence_dbfs: float = -60.0
    silence_alarm_s: float = 15.0
    loud_max_lufs: float = -9.0
    loud_min_lufs: float = -38.0
    loudness_alarm_s: float = 30.0
    keyframe_max_s: float = 10.0
    bitrate_share: float = 0.2
    bitrate_alarm_s: float = 15.0
    fps_share: float = 0.5
    fps_alarm_s: float = 8.0

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> DetectorSettings:
        """Settings out of a spec or a row: what is missing or not known (any more) is left to the defaults."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in given.items() if name in known})

    def differing(self) -> dict[str, Any]:
        """What differs from the defaults: all that needs to be stored."""
        default = asdict(DetectorSettings())
        return {name: value for name, value in asdict(self).items() if value != default[name]}
