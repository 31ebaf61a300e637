"""A source's sound as AAC: passed through where it is AAC already, encoded where a camera sends something else."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av

from skyriver.services.live.relaying.flv import Tag, aac_frame, aac_header
from skyriver.services.live.relaying.source_clock import SourceClock

BITRATE_BPS = 128_000
FRAME_SAMPLES = 1024
_RATES_HZ = (48000, 44100, 32000)
_SAMPLE_RATES_HZ = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_GAP_US = 150_000  # a jitter of cameras' clocks; beyond it sound was lost, and what follows is placed anew


class AacSound:
    """Packets of an AAC track, raw or with ADTS headers (ISO/IEC 13818-7, 6.2), as tags."""

    def __init__(self, config: bytes) -> None:
        """`config` is the AudioSpecificConfig; empty where each frame has an ADTS header."""
        self._config = config
        self._told = b""

    def take(self, packet: av.Packet[av.AudioStream], clock: SourceClock) -> Iterator[Tag]:
        """The tags of one packet."""
        if packet.pts is None or packet.time_base is None:
            return
        data, config = bytes(packet), self._config
        if not config:
            if len(data) < 9 or data[0] != 0xFF or data[1] & 0xF6 != 0xF0:
                return
            config, data = _config_of(data), data[7 if data[1] & 1 else 9 :]
        duration_us = int((packet.duration or 0) * packet.time_base * 1_000_000)
        at_us = clock.place(int(packet.pts * packet.time_base * 1_000_000), duration_us)
        if config != self._told:
            self._told = config
            yield aac_header(config, at_us)
        yield aac_frame(data, at_us)


def _config_of(adts: bytes) -> bytes:
    """The AudioSpecificConfig that an ADTS header means."""
    profile, rate_index = (adts[2] >> 6) + 1, adts[2] >> 2 & 15
    channels = (adts[2] & 1) << 2 | adts[3] >> 6
    return (profile << 11 | rate_index << 7 | channels << 3).to_bytes(2, "big")


class EncodedSound:
    """Packets of any other track, decoded and encoded as AAC."""

    def __init__(self, stream: av.AudioStream) -> None:
        self._stream = stream
        rate_hz = stream.codec_context.sample_rate
        self._rate_hz = rate_hz if rate_hz in _RATES_HZ else 48000
        self._layout = "mono" if stream.codec_context.channels == 1 else "stereo"
        self._encoder = av.CodecContext.create("aac", "w")
        assert isinstance(self._encoder, av.AudioCodecContext)
        self._encoder.sample_rate, self._encoder.layout, self._encoder.format = self._rate_hz, self._layout, "fltp"
        self._encoder.bit_rate = BITRATE_BPS
        self._encoder.time_base = Fraction(1, self._rate_hz)
        self._encoder.open()
        self._resampler = self._new_resampler()
        self._begins_us: int | None = None
        self._expected_us = 0
        self._samples = 0
        self._told = False

    def take(self, packet: av.Packet[av.AudioStream], clock: SourceClock) -> Iterator[Tag]:
        """The tags of one packet."""
        for frame in self._stream.decode(packet):
            if frame.pts is None or frame.time_base is None or not frame.samples:
                continue
            length_us = frame.samples * 1_000_000 // frame.sample_rate
            at_us = clock.place(int(frame.pts * frame.time_base * 1_000_000), length_us)
            if self._begins_us is None or abs(at_us - self._expected_us) > _GAP_US:
                self._begins_us, self._samples = at_us, 0
                self._resampler = self._new_resampler()
            self._expected_us = at_us + length_us
            frame.pts = None
            for piece in self._resampler.resample(frame):
                yield from self._encode(piece)

    def _encode(self, piece: av.AudioFrame) -> Iterator[Tag]:
        assert self._begins_us is not None
        assert isinstance(self._encoder, av.AudioCodecContext)
        at_us = self._begins_us + self._samples * 1_000_000 // self._rate_hz
        self._samples += piece.samples
        piece.pts, piece.time_base = None, Fraction(1, self._rate_hz)
        for packet in self._encoder.encode(piece):
            if not self._told:
                self._told = True
                yield aac_header(self._encoder.extradata or b"", at_us)
            yield aac_frame(bytes(packet), at_us)

    def _new_resampler(self) -> av.AudioResampler:
        return av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate_hz, frame_size=FRAME_SAMPLES)
