"""Sound of one codec into another: decoded, brought to 48 kHz, cut into frames, encoded.

A channel always has AAC (for HLS) and Opus (for MoQ). What comes in is one of them and is passed through untouched; the
other one is made here (`media.opus`, `media.aac`). A channel that is brought to a loudness has both made here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from skyriver.services.live.media.groups import AudioCutter
from skyriver.services.live.media.leveller import Leveller
from skyriver.services.live.media.units import MICROSECONDS, AudioTrack, Encoded, SoundSource, Unit

RATE_HZ = 48_000  # Opus runs at 48 kHz inside, whatever comes in (RFC 6716, section 2.1.3); AAC takes it as well
SAMPLE_US = 1e6 / RATE_HZ
_FLOATS = "flt"  # interleaved; what is heard, and what the fifo holds
MONO_SHARE = 0.6  # a mono channel gets this share of a stereo channel's bitrate

GAP_US = 40_000
"""A timestamp off by more than this is a gap. RTMP's are rounded to milliseconds, and encoders jitter by a few."""

CLOCK_PULL = 1 / 32
"""How much of the difference to the source's clock is taken over with each frame: jitter is smoothed, and a clock that
drifts by 100 ppm is followed at a distance of 0.1 ms."""


@dataclass(frozen=True)
class Coding:
    """How sound is encoded. `open_encoder` takes the layout and the bit rate."""

    codec: str
    """RFC 6381, as catalogs have it."""
    sample_format: str
    frame_samples: int
    open_encoder: Callable[[str, int], av.AudioCodecContext]


class SoundTranscoder:
    """One stream of AAC or Opus frames to a `Coding`. Not thread-safe.

    Mono stays mono, everything else becomes stereo. Timestamps are made by counting samples, pulled softly towards the
    source's clock; a gap in the source is a gap in the output. A damaged frame is counted and leaves such a gap.
    """

    def __init__(
        self,
        track: str,
        source: SoundSource,
        coding: Coding,
        *,
        bitrate_bps: int,
        loudness_lufs: int = 0,
        heard: Callable[[AudioFrame], None] | None = None,
    ) -> None:
        """`loudness_lufs` is the programme loudness that the sound is brought to, 0 for as it comes.

        `heard` gets the decoded sound, resampled to 48 kHz interleaved floats, as the publisher sent it: levelling
        lifts a noise floor, and silence would no longer be found.

        Raises:
            av.FFmpegError: the source's config describes nothing that can be decoded.
        """
        self._track = track
        self._coding = coding
        self._heard = heard
        self._decoder = _open_decoder(source)
        channels = self._decoder.layout.nb_channels
        self._layout = "mono" if channels == 1 else "stereo"
        self._leveller = Leveller(loudness_lufs, min(channels, 2)) if loudness_lufs else None
        self._bitrate_bps = round(bitrate_bps * MONO_SHARE) if channels == 1 else bitrate_bps
        self._encoder = coding.open_encoder(self._layout, self._bitrate_bps)
        self._resampler: AudioResampler | None = None
        self._reform = AudioResampler(format=coding.sample_format, layout=self._layout, rate=RATE_HZ)
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
        return AudioTrack(self._track, self._coding.codec, RATE_HZ, channels, init, self._bitrate_bps)

    @property
    def coding(self) -> Coding:
        """What this makes."""
        return self._coding

    def configure(self, source: SoundSource) -> None:
        """The source is another one from here on; the track goes on.

        Raises:
            av.FFmpegError: the source's config describes nothing that can be decoded.
        """
        self._decoder = _open_decoder(source)
        self._shape = None  # its first frame is aligned anew

    def transcode(self, unit: Unit) -> list[Encoded]:
        """The packets that this frame completes."""
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
            self._fifo.write(self._levelled(resampled))
        out: list[Encoded] = []
        for piece in self._fifo.read_many(self._coding.frame_samples):
            for block in self._reform.resample(piece) if self._coding.sample_format != _FLOATS else (piece,):
                block.pts, block.time_base = round(self._fifo_pts_us), MICROSECONDS
                self._fifo_pts_us += self._coding.frame_samples * SAMPLE_US
                for packet in self._encoder.encode(block):
                    out.extend(self._encoded(packet))
        return out

    def _levelled(self, frame: AudioFrame) -> AudioFrame:
        if self._leveller is None:
            return frame
        samples = np.asarray(frame.to_ndarray(), np.float32).reshape(-1, frame.layout.nb_channels)
        levelled = AudioFrame.from_ndarray(self._leveller.process(samples).reshape(1, -1), _FLOATS, self._layout)
        levelled.sample_rate, levelled.time_base = frame.sample_rate, frame.time_base
        return levelled

    def _align(self, frame: AudioFrame, pts_us: float) -> None:
        """Compare the frame's time with where the fifo ends; after a gap, what is left over belongs to the past."""
        shape = (frame.format.name, frame.layout.name, frame.rate)
        off_us = pts_us - (self._fifo_pts_us + self._fifo.samples * SAMPLE_US)
        if shape == self._shape and abs(off_us) <= GAP_US:
            self._fifo_pts_us += off_us * CLOCK_PULL
            return
        self._shape = shape
        self._resampler = AudioResampler(format=_FLOATS, layout=self._layout, rate=RATE_HZ)
        self._fifo = av.AudioFifo()
        self._fifo_pts_us = pts_us

    def _encoded(self, packet: av.Packet[Any]) -> list[Encoded]:
        # The encoder subtracts its look-ahead (6.5 ms of Opus, 21 ms of AAC), so that picture and sound stay together.
        pts_us = round((packet.pts or 0) * (packet.time_base or MICROSECONDS) * 1_000_000)
        if pts_us <= self._last_pts_us:
            return []
        self._last_pts_us = pts_us
        group, _ = self._groups.cut(pts_us)
        return [Encoded(self._track, bytes(packet), pts_us, True, group)]


def _open_decoder(source: SoundSource) -> av.AudioCodecContext:
    decoder = av.CodecContext.create("libopus" if source.is_opus else "aac", "r")
    decoder.extradata = source.config
    decoder.open()
    return decoder
