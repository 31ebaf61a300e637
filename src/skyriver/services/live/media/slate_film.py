"""A film as a slate: made into the shape of what was shown last, as groups of one slot, to be played in a loop.

It is encoded once and kept, like the slate that is a picture: while it is shown nothing can fail any more. Pictures
stand on a grid of 25 a second; the last one stands until its slot is over, so that a round is a whole number of slots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.filter import Graph
from av.video.frame import VideoFrame

from skyriver.fabric import SLOT_US
from skyriver.services.live.media.aac import FRAME_SAMPLES
from skyriver.services.live.media.avc import avc3_codec
from skyriver.services.live.media.slate import Slate, SlateShape, encode_pictures, new_aac, silence

FPS = 25
FRAMES_PER_SLOT = SLOT_US * FPS // 1_000_000
SLOTS_MAX = 30
_SLOT_S = SLOT_US / 1e6
_BITRATE_BPS, _SOUND_BPS = 2_500_000, 128_000


def make_film(film: InputContainer, shape: SlateShape) -> Slate:
    """Decode, fit and encode a film of up to a minute: some ten seconds of one core.

    Raises:
        FFmpegError: it cannot be decoded, or nothing of this shape can be encoded.
        ValueError: it has no picture.
    """
    video = film.streams.best("video")
    if not isinstance(video, av.VideoStream):
        raise ValueError("a film without a picture")
    audio = film.streams.best("audio", related=video) if shape.channels else None
    tones = _Tones(shape) if isinstance(audio, av.AudioStream) else None

    def play(sound: _Tones | None) -> Iterator[VideoFrame]:
        return _pictures(film, video, audio if sound is not None else None, sound, shape)

    plays = 1

    def play_again() -> Iterator[VideoFrame]:
        nonlocal plays
        plays = 2
        film.seek(0)
        return play(None)

    units = encode_pictures(_in_slots(play(tones), play_again), shape, FPS, bitrate_bps=_BITRATE_BPS)
    gops = tuple(units[at : at + FRAMES_PER_SLOT] for at in range(0, len(units), FRAMES_PER_SLOT))
    config, sound = tones.encoded(len(gops) // plays) if tones is not None else silence(shape.rate_hz, shape.channels)
    return Slate(shape, avc3_codec(units[0]) or "avc3.42e01e", FPS, gops, config, sound)


def _pictures(
    film: InputContainer,
    video: av.VideoStream,
    audio: av.stream.Stream | None,
    tones: _Tones | None,
    shape: SlateShape,
) -> Iterator[VideoFrame]:
    """The film's pictures, fitted, 25 a second; its sound goes into `tones` on the way."""
    graph: Graph | None = None
    begins_s = 0.0
    for frame in film.decode(*(stream for stream in (video, audio) if stream is not None)):
        if isinstance(frame, AudioFrame):
            if tones is not None:
                tones.take(frame)
            continue
        if not isinstance(frame, VideoFrame) or frame.pts is None:
            continue
        if graph is None:
            graph, begins_s = _fitting(frame, video.time_base or Fraction(1, 1000), shape), frame.time
            if tones is not None:
                tones.begins_s = begins_s
        if frame.time - begins_s > SLOTS_MAX * _SLOT_S:
            break
        graph.push(frame)
        yield from _drawn(graph)
    if graph is not None:
        graph.push(None)
        yield from _drawn(graph)


def _fitting(first: VideoFrame, time_base: Fraction, shape: SlateShape) -> Graph:
    """As large as it fits, on black, at 25 pictures a second."""
    graph, size = Graph(), f"{shape.width}:{shape.height}"
    source = graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=time_base)
    chain = [
        source,
        graph.add("scale", f"{size}:force_original_aspect_ratio=decrease"),
        graph.add("pad", f"{size}:(ow-iw)/2:(oh-ih)/2"),
        graph.add("fps", str(FPS)),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*chain).configure()
    return graph


def _drawn(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return
        if isinstance(frame, VideoFrame):
            yield frame


def _in_slots(pictures: Iterator[VideoFrame], again: Callable[[], Iterator[VideoFrame]]) -> Iterator[VideoFrame]:
    """Whole slots of pictures, an even number of them: see `Slate.gops`. A film of an odd number is played twice."""
    most, last = SLOTS_MAX * FRAMES_PER_SLOT, None
    for number in range(2):
        count = 0
        for last in islice(again() if number else pictures, most):
            count += 1
            yield last
        if last is None:
            raise ValueError("a film without a picture")
        most = most if number else -(-count // FRAMES_PER_SLOT) * FRAMES_PER_SLOT
        for _ in range(most - count):
            yield last
        if most // FRAMES_PER_SLOT % 2 == 0:
            return


class _Tones:
    """The film's sound, in the slate's rate and channels."""

    def __init__(self, shape: SlateShape) -> None:
        self.begins_s: float | None = None
        self._shape = shape
        layout = "mono" if shape.channels == 1 else "stereo"
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=shape.rate_hz)
        self._first_s: float | None = None
        self._pieces: list[np.ndarray] = []
        self._samples = 0

    def take(self, frame: AudioFrame) -> None:
        """A frame as it was decoded."""
        if self._first_s is None:
            self._first_s = frame.time or 0.0
        if self._samples > SLOTS_MAX * _SLOT_S * self._shape.rate_hz:
            return
        for piece in self._resampler.resample(frame):
            self._pieces.append(piece.to_ndarray())
            self._samples += piece.samples

    def encoded(self, slots: int) -> tuple[bytes, tuple[bytes, ...]]:
        """AudioSpecificConfig, and the frames of so many slots; silence where the film has none."""
        rate_hz, channels = self._shape.rate_hz, self._shape.channels
        heard = np.concatenate(self._pieces, axis=1) if self._pieces else np.zeros((channels, 0), np.float32)
        late = round(((self._first_s or 0.0) - (self.begins_s or 0.0)) * rate_hz)
        heard = np.pad(heard, ((0, 0), (late, 0))) if late > 0 else heard[:, -late:]
        samples = round(slots * _SLOT_S * rate_hz)
        heard = np.pad(heard[:, :samples], ((0, 0), (0, max(0, samples - heard.shape[1]))))
        codec = new_aac(rate_hz, channels, bitrate_bps=_SOUND_BPS)
        packets, layout = [], "mono" if channels == 1 else "stereo"
        for at in range(0, heard.shape[1], FRAME_SAMPLES):
            piece = np.ascontiguousarray(heard[:, at : at + FRAME_SAMPLES], np.float32)
            piece = np.pad(piece, ((0, 0), (0, FRAME_SAMPLES - piece.shape[1])))
            frame = AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, at, Fraction(1, rate_hz)
            packets += codec.encode(frame)
        packets += codec.encode(None)
        return bytes(codec.extradata or b""), tuple(bytes(packet) for packet in packets[1:])  # the first one primes
