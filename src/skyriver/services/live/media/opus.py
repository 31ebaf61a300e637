"""AAC in, Opus out: what browsers play over QUIC. (The AAC itself is passed through untouched.)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from skyriver.services.live.media.groups import AudioCutter
from skyriver.services.live.media.units import MICROSECONDS, AudioTrack, Encoded, Unit

RATE_HZ = 48_000  # Opus runs at 48 kHz inside, whatever comes in (RFC 6716, section 2.1.3)
FRAME_SAMPLES = 960  # 20 ms: the packet size that browsers and RFC 7587 take as normal
SAMPLE_US = 1e6 / RATE_HZ
COMPLEXITY = 5  # half the CPU of 10, and no audible difference at these bitrates
MONO_SHARE = 0.6  # a mono channel gets this share of a stereo channel's bitrate

GAP_US = 40_000
"""A timestamp off by more than this is a gap. RTMP's are rounded to milliseconds, and encoders jitter by a few."""

CLOCK_PULL = 1 / 32
"""How much of the difference to the source's clock is taken over with each frame: jitter is smoothed, and a clock that
drifts by 100 ppm is followed at a distance of 0.1 ms."""


class OpusTranscoder:
    """One stream of raw AAC frames to Opus. Not thread-safe.

    Mono stays mono, everything else becomes stereo. Timestamps are made by counting samples, pulled softly towards the
    source's clock; a gap in the source is a gap in the output. A damaged frame is counted and leaves such a gap.
    """

    def __init__(
        self,
        track: str,
        config: bytes,
        *,
        bitrate_bps: int,
        heard: Callable[[AudioFrame], None] | None = None,
    ) -> None:
        """`config` is the stream's AudioSpecificConfig; `heard` gets the decoded sound, resampled to 48 kHz floats.

        Raises:
            av.FFmpegError: the config describes nothing that can be decoded.
        """
        self._track = track
        self._heard = heard
        self._decoder = _open_decoder(config)
        channels = self._decoder.layout.nb_channels
        self._layout = "mono" if channels == 1 else "stereo"
        self._bitrate_bps = round(bitrate_bps * MONO_SHARE) if channels == 1 else bitrate_bps
        self._encoder = _open_encoder(self._layout, self._bitrate_bps)
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._fifo = av.AudioFifo()
        self._fifo_pts_us = 0.0  # of the first sample in the fifo
        self._last_pts_us = -1
        self._groups = AudioCutter()
        self.errors = 0

    @property
    def track(self) -> AudioTrack:
        """How the track is announced. Known before the first frame."""
        channels = 1 if self._layout == "mono" else 2
        init = bytes(self._encoder.extradata or b"")
        return AudioTrack(self._track, "opus", RATE_HZ, channels, init, self._bitrate_bps)

    def transcode(self, unit: Unit) -> list[Encoded]:
        """The Opus packets that this AAC frame completes."""
        packet = av.Packet(unit.payload)
        packet.pts = unit.pts_us
        packet.time_base = MICROSECONDS
        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError:
            self.errors += 1
            self._decoder.flush_buffers()
            return []
        return [encoded for frame in frames for encoded in self._encode(frame)]

    def _encode(self, frame: AudioFrame) -> list[Encoded]:
        if frame.pts is None or frame.time_base is None:
            return []
        self._align(frame, float(frame.pts * frame.time_base * 1_000_000))
        assert self._resampler is not None
        frame.pts = None  # judged already; the resampler must not do it again in its own way
        for resampled in self._resampler.resample(frame):
            resampled.pts = None
            if self._heard is not None:
                self._heard(resampled)
            self._fifo.write(resampled)
        out: list[Encoded] = []
        for block in self._fifo.read_many(FRAME_SAMPLES):
            block.pts, block.time_base = round(self._fifo_pts_us), MICROSECONDS
            self._fifo_pts_us += FRAME_SAMPLES * SAMPLE_US
            for packet in self._encoder.encode(block):
                out.extend(self._encoded(packet))
        return out

    def _align(self, frame: AudioFrame, pts_us: float) -> None:
        """Compare the frame's time with where the fifo ends; after a gap, what is left over belongs to the past."""
        shape = (frame.format.name, frame.layout.name, frame.rate)
        off_us = pts_us - (self._fifo_pts_us + self._fifo.samples * SAMPLE_US)
        if shape == self._shape and abs(off_us) <= GAP_US:
            self._fifo_pts_us += off_us * CLOCK_PULL
            return
        self._shape = shape
        self._resampler = AudioResampler(format="flt", layout=self._layout, rate=RATE_HZ)
        self._fifo = av.AudioFifo()
        self._fifo_pts_us = pts_us

    def _encoded(self, packet: av.Packet[Any]) -> list[Encoded]:
        # The encoder subtracts its look-ahead (6.5 ms) from the time, so that picture and sound stay together.
        pts_us = round((packet.pts or 0) * (packet.time_base or MICROSECONDS) * 1_000_000)
        if pts_us <= self._last_pts_us:
            return []
        self._last_pts_us = pts_us
        group, _ = self._groups.cut(pts_us)
        return [Encoded(self._track, bytes(packet), pts_us, True, group)]


def _open_decoder(config: bytes) -> av.AudioCodecContext:
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = config
    decoder.open()
    return decoder


def _open_encoder(layout: str, bitrate_bps: int) -> av.AudioCodecContext:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate = RATE_HZ
    encoder.layout = layout
    encoder.format = "flt"
    encoder.time_base = MICROSECONDS
    encoder.bit_rate = bitrate_bps
    encoder.options = {"frame_duration": "20", "compression_level": str(COMPLEXITY), "application": "audio"}
    encoder.open()
    return encoder
