"""AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1): what the AAC sequence header of a publisher says."""

from __future__ import annotations

from skyriver.services.live.stations.codecs.bits import BitReader
from skyriver.services.live.stations.errors import DamagedMedia
from skyriver.services.live.stations.events import AudioConfig

_RATES_HZ = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_CHANNELS = (0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 0, 8, 0)
_SBR, _PS = 5, 29
_STEREO_BY_SPECIFIC_CONFIG = 2  # configuration 0 puts the layout into a program config; encoders use it for stereo
MAX_CONFIG_BYTES = 128


def parse_audio_config(data: bytes) -> AudioConfig:
    """Read an AudioSpecificConfig. Raises DamagedMedia."""
    if not 2 <= len(data) <= MAX_CONFIG_BYTES:
        raise DamagedMedia(f"The AAC sequence header has {len(data)} bytes; it should have 2 to {MAX_CONFIG_BYTES}.")
    reader = BitReader(data)
    object_type = _object_type(reader)
    rate_hz = _rate_hz(reader)
    channels = _CHANNELS[reader.bits(4)] or _STEREO_BY_SPECIFIC_CONFIG
    if object_type in (_SBR, _PS):  # explicit HE-AAC: the output rate follows
        rate_hz = _rate_hz(reader)
        if object_type == _PS:
            channels = 2
    return AudioConfig(f"mp4a.40.{object_type}", rate_hz, channels, data)


def _object_type(reader: BitReader) -> int:
    object_type = reader.bits(5)
    if object_type == 31:
        object_type = 32 + reader.bits(6)
    if object_type == 0:
        raise DamagedMedia("The AAC sequence header names no object type.")
    return object_type


def _rate_hz(reader: BitReader) -> int:
    index = reader.bits(4)
    rate_hz = reader.bits(24) if index == 15 else _RATES_HZ[index] if index < len(_RATES_HZ) else 0
    if not 7000 <= rate_hz <= 192_000:
        raise DamagedMedia(f"The AAC sequence header names a sample rate of {rate_hz} Hz.")
    return rate_hz
