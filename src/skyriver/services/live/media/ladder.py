"""The running renditions of a channel: which there are for a source of this size, and the thread of each.

With a quality probe, each rendition has a second of its pictures measured now and then, and encodes at what they need
from the next slot on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence

from av.error import FFmpegError
from av.video.frame import VideoFrame

from skyriver.services.live.media.avc import avc3_codec
from skyriver.services.live.media.counters import Counters
from skyriver.services.live.media.mailbox import Mailbox, MailboxClosed
from skyriver.services.live.media.quality import SAMPLE_PICTURES, QualityProbe, Sample, Verdict
from skyriver.services.live.media.rendition import RenditionEncoder
from skyriver.services.live.media.units import Encoded, Sink, TrackEnded, VideoTrack
from skyriver.services.live.model import Rendition, fit_ladder

PICTURES = 6  # decoded: 1.4 MB each at 720p, 3 MB at 1080p; more would only be more delay
JOIN_TIMEOUT_S = 5.0
PROBE_AFTER_PICTURES = 90  # three seconds at 30 fps: past the first picture of a show, which is often a still
PROBE_EVERY_PICTURES = 1800  # a minute

log = logging.getLogger(__name__)


class Ladder:
    """The running renditions. Belongs to the decoder's thread.

    Args:
        probe: measures samples; None for one quality for all.
        quality: the verdicts so far, by rendition, kept by whoever listens to the probe.
    """

    def __init__(
        self,
        renditions: Sequence[Rendition],
        sink: Sink,
        counters: Counters,
        *,
        fps: float,
        live: bool,
        probe: QualityProbe | None = None,
        quality: Mapping[str, Verdict] | None = None,
    ) -> None:
        self._wanted = renditions
        self.sink = sink
        self.counters = counters
        self.fps = fps
        self._live = live
        self.probe = probe
        self.quality = quality if quality is not None else {}
        self._source_size = (0, 0)
        self._workers: dict[str, _Worker] = {}

    def put(self, picture: VideoFrame) -> None:
        size = picture.width, picture.height
        if size != self._source_size:
            self._source_size = size
            self._refit(*size)
        for worker in self._workers.values():
            if self._live:
                self.counters.pictures_dropped += worker.pictures.push(picture)
            else:
                worker.pictures.wait(picture)

    def ask_keys(self, from_us: int) -> None:
        """The first picture of each rendition at this time, or later, opens a group of its own."""
        for worker in list(self._workers.values()):
            worker.ask_key(from_us)

    def close(self, *, drain: bool) -> None:
        for worker in self._workers.values():
            worker.pictures.close(drain=drain)
        for worker in self._workers.values():
            worker.join(None if drain else JOIN_TIMEOUT_S)

    def _refit(self, width: int, height: int) -> None:
        """The source has a new size: keep what still fits, replace what changes, end what is too large now."""
        fitted = {rendition.name: rendition for rendition in fit_ladder(self._wanted, width, height)}
        for name, worker in list(self._workers.items()):
            if fitted.get(name) != worker.rendition:
                worker.pictures.close(drain=True)
                worker.join(JOIN_TIMEOUT_S)
                del self._workers[name]
                if name not in fitted:
                    self.sink(TrackEnded(name))
        for name, rendition in fitted.items():
            if name not in self._workers:
                self._workers[name] = _Worker(rendition, self)


class _Worker:
    """The thread of one rendition."""

    def __init__(self, rendition: Rendition, ladder: Ladder) -> None:
        self.rendition = rendition
        self.pictures: Mailbox[VideoFrame] = Mailbox(PICTURES)
        self._ladder = ladder
        self._sink = ladder.sink
        self._encoder = RenditionEncoder(rendition, fps=ladder.fps)
        self._until_sample = PROBE_AFTER_PICTURES
        self._introduced = False
        self._thread = threading.Thread(target=self._run, name=f"encode-{rendition.name}", daemon=True)
        self._thread.start()

    def _introduce(self, first: Encoded) -> None:
        """Say what this rendition is, once its encoder has decided on profile and level."""
        codec = avc3_codec(first.payload) if not self._introduced else None
        if codec is not None:
            self._introduced = True
            box = self.rendition
            self._sink(VideoTrack(box.name, codec, box.width, box.height, box.bitrate_bps))

    def ask_key(self, from_us: int) -> None:
        self._encoder.ask_key(from_us)

    def _sample(self) -> None:
        """Have pictures measured when it is time, and take over what the last measurement says."""
        probe = self._ladder.probe
        if probe is None:
            return
        self._until_sample -= 1
        if self._until_sample == 0:
            self._encoder.keep_sample(SAMPLE_PICTURES)
        elif self._until_sample < 0 and (pictures := self._encoder.take_sample()) is not None:
            probe.offer(Sample(self.rendition, pictures, self._encoder.fps))
            self._until_sample = PROBE_EVERY_PICTURES
        verdict = self._ladder.quality.get(self.rendition.name)
        if verdict is not None:
            self._encoder.crf = verdict.crf

    def join(self, timeout_s: float | None) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            try:
                picture = self.pictures.take()
            except MailboxClosed:
                break
            try:
                for encoded in self._encoder.encode(picture):
                    self._introduce(encoded)
                    self._sink(encoded)
                self._sample()
            except (FFmpegError, ValueError) as error:
                self._ladder.counters.encode_errors += 1
                self._encoder.reset()
                log.warning("Rendition %s: a picture could not be encoded: %s", self.rendition.name, error)
        for encoded in self._encoder.flush():
            self._sink(encoded)
