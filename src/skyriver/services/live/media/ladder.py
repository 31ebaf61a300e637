"""The running renditions of a channel: which there are for a source of this size, and the thread of each.

With a quality probe, each rendition has some of its pictures measured now and then. What follows from that (`quality`)
holds from one slot on: another quality, another cap, or that a rendition is carried by the next larger one. Then its
thread encodes nothing, and the other one's sends each unit twice: whoever reads the track, with an old catalog or
through a recorder, goes on at the same keyframe.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from av.error import FFmpegError
from av.video.frame import VideoFrame

from skyriver.fabric import SLOT_US, slot_of
from skyriver.services.live.media.avc import avc3_codec
from skyriver.services.live.media.counters import Counters
from skyriver.services.live.media.handover import Handover
from skyriver.services.live.media.mailbox import Mailbox, MailboxClosed
from skyriver.services.live.media.quality import SAMPLE_PICTURES, LadderChooser, Rung, Sample
from skyriver.services.live.media.quality.chooser import SAMPLE_EVERY_SLOTS
from skyriver.services.live.media.rendition import RenditionEncoder
from skyriver.services.live.media.units import Encoded, Sink, TrackCarried, TrackEnded, VideoTrack
from skyriver.services.live.model import Rendition, fit_ladder

PICTURES = 6  # decoded: 1.4 MB each at 720p, 3 MB at 1080p; more would only be more delay
JOIN_TIMEOUT_S = 5.0
FIRST_SAMPLE_SLOTS = 2  # after the start: past the first picture of a show, which is often a still

Measure = Callable[[int, Sequence[Sample]], object]

log = logging.getLogger(__name__)


class Ladder:
    """The running renditions. Belongs to the decoder's thread.

    Args:
        measure: takes a slot and the samples of its beginning, the largest rendition's first, to have them measured
            (`QualityProbe.offer`); None for one quality for all.
        chooser: gets the measurements, and says what follows from them.
    """

    def __init__(
        self,
        renditions: Sequence[Rendition],
        sink: Sink,
        counters: Counters,
        *,
        fps: float,
        live: bool,
        measure: Measure | None = None,
        chooser: LadderChooser | None = None,
    ) -> None:
        self._wanted = renditions
        self.sink = sink
        self.handover = Handover(sink)
        self.counters = counters
        self.fps = fps
        self._live = live
        self.chooser = chooser or LadderChooser(fixed=True)
        self.samples = Samples(measure) if measure is not None else None
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
        largest_first = sorted(fitted.values(), key=lambda rendition: -rendition.width * rendition.height)
        self.chooser.begin(largest_first)
        if self.samples is not None:
            self.samples.begin(largest_first)
        for name, rendition in fitted.items():
            if name not in self._workers:
                self._workers[name] = _Worker(rendition, self)


class Samples:
    """Brings the renditions' samples of one slot together, and has them measured. Any thread may call it."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._lock = threading.Lock()
        self._renditions: Sequence[Rendition] = ()
        self._slot = -1
        self._samples: dict[str, Sample] = {}

    def begin(self, renditions: Sequence[Rendition]) -> None:
        """These are measured from now on, the largest first."""
        with self._lock:
            self._renditions, self._samples = renditions, {}

    def add(self, slot: int, sample: Sample) -> None:
        """One rendition's pictures at the beginning of a slot. A newer slot's push those of an older one out."""
        with self._lock:
            if slot < self._slot or sample.rendition not in self._renditions:
                return
            if slot > self._slot:
                self._slot, self._samples = slot, {}
            self._samples[sample.rendition.name] = sample
            if len(self._samples) == len(self._renditions):
                whole = [self._samples[rendition.name] for rendition in self._renditions]
                self._samples = {}
                self._measure(slot, whole)


class _Worker:
    """The thread of one rendition."""

    def __init__(self, rendition: Rendition, ladder: Ladder) -> None:
        self.rendition = rendition
        self.pictures: Mailbox[VideoFrame] = Mailbox(PICTURES)
        self._ladder = ladder
        self._encoder = RenditionEncoder(rendition, fps=ladder.fps)
        self._rung = Rung(rendition.name, rendition.bitrate_bps)
        self._carries: frozenset[str] = frozenset()
        self._first_slot = self._slot = -1
        self._sample_slot = -1
        self._slot_bytes = 0
        self._introduced = False
        self._thread = threading.Thread(target=self._run, name=f"encode-{rendition.name}", daemon=True)
        self._thread.start()

    def ask_key(self, from_us: int) -> None:
        self._encoder.ask_key(from_us)

    def join(self, timeout_s: float | None) -> None:
        self._thread.join(timeout_s)

    def _introduce(self, first: Encoded) -> None:
        """Say what this rendition is, once its encoder has decided on profile and level."""
        codec = avc3_codec(first.payload) if not self._introduced else None
        if codec is not None:
            self._introduced = True
            box = self.rendition
            self._ladder.sink(VideoTrack(box.name, codec, box.width, box.height, self._rung.cap_bps))

    def _begin_slot(self, slot: int) -> None:
        """Take over what holds from this slot on."""
        name, chooser, handover = self.rendition.name, self._ladder.chooser, self._ladder.handover
        if slot == self._slot + 1 and self._rung.carried_by is None:
            chooser.spent(name, self._slot, self._slot_bytes * 8 * 1_000_000 // SLOT_US)
        if self._first_slot < 0:
            self._first_slot = slot
        self._slot, self._slot_bytes = slot, 0
        rungs = chooser.ladder(slot).rungs
        before, carried = self._rung, self._carries
        self._rung = next((rung for rung in rungs if rung.name == name), before)
        self._carries = frozenset(rung.name for rung in rungs if rung.carried_by == name)
        if before.carried_by is None and self._rung.carried_by is not None:
            self._encoder.rest()
            handover.hand_over(name, slot)
            self._ladder.sink(TrackCarried(name))
        if before.carried_by is not None and self._rung.carried_by is None:
            handover.take_over(name, slot)
        for track in carried - self._carries:
            handover.hand_over(track, slot)
        for track in self._carries - carried:
            handover.take_over(track, slot)
        if (before.carried_by, before.cap_bps) != (self._rung.carried_by, self._rung.cap_bps):
            self._introduced = False
        self._encoder.cap_bps = self._rung.cap_bps
        self._encoder.crf = chooser.crf(name, slot)
        first = self._sample_slot < 0 and slot >= self._first_slot + FIRST_SAMPLE_SLOTS
        if (first or slot % SAMPLE_EVERY_SLOTS == 0) and self._ladder.samples is not None:
            self._encoder.keep_sample(SAMPLE_PICTURES)
            self._sample_slot = slot

    def _encode(self, picture: VideoFrame) -> None:
        slot = slot_of(picture.pts or 0)
        if slot > self._slot:
            self._begin_slot(slot)
        if self._rung.carried_by is None:
            for encoded in self._encoder.encode(picture):
                self._introduce(encoded)
                self._send(encoded)
        else:
            self._encoder.pass_by(picture)
        if self._ladder.samples is not None and (sample := self._encoder.take_sample()) is not None:
            self._ladder.samples.add(self._sample_slot, sample)

    def _send(self, encoded: Encoded) -> None:
        self._slot_bytes += len(encoded.payload)
        self._ladder.handover.put(encoded)
        for track in self._carries:
            self._ladder.handover.put(replace(encoded, track=track))

    def _run(self) -> None:
        while True:
            try:
                picture = self.pictures.take()
            except MailboxClosed:
                break
            try:
                self._encode(picture)
            except (FFmpegError, ValueError) as error:
                self._ladder.counters.encode_errors += 1
                self._encoder.reset()
                log.warning("Rendition %s: a picture could not be encoded: %s", self.rendition.name, error)
        for encoded in self._encoder.flush():
            self._send(encoded)
        for track in self._carries:
            self._ladder.handover.hand_over(track, self._slot + 1)
