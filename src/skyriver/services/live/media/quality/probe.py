"""Takes samples of a rendition's pictures now and then, and measures what quality they need, beside the live work."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import av
from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame

from skyriver.services.live.media.mailbox import Mailbox, MailboxClosed
from skyriver.services.live.media.quality.choice import CRF_CANDIDATES, Trial, Verdict, choose
from skyriver.services.live.media.quality.ssim import enlarge, luma, ssim
from skyriver.services.live.media.units import MICROSECONDS
from skyriver.services.live.media.video_encoder import open_x264
from skyriver.services.live.model import Rendition

SAMPLE_PICTURES = 20  # the keyframe, and enough that follows to tell the cost of motion
COMPARED_EVERY = 4  # pictures whose similarity is computed
NICENESS = 15  # the live pictures go first

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """Consecutive pictures of one rendition, at its size."""

    rendition: Rendition
    pictures: tuple[VideoFrame, ...]
    fps: float
    gop_s: float = 2.0
    times_us: tuple[int, ...] = ()
    """Of the pictures: the same in two renditions when both have the same pictures of the source."""


def measure(sample: Sample, above: Sample | None = None) -> Verdict:
    """Encode the sample at every candidate, and at the whole bit rate. Takes a few hundred milliseconds of one core.

    Args:
        above: the same pictures at the next larger rendition's size; it is then measured, too, how this rendition looks
            when it is shown in that one's place.

    Raises:
        FFmpegError: an encoder refused the pictures.
    """
    originals = [luma(picture) for picture in sample.pictures[::COMPARED_EVERY]]
    cap_bps = sample.rendition.bitrate_bps
    shown: dict[int | None, list[VideoFrame]] = {}

    def trial(crf: int | None) -> Trial:
        sizes, shown[crf] = _encode(sample, crf)
        similar = [ssim(original, luma(picture)) for original, picture in zip(originals, shown[crf], strict=False)]
        return Trial(crf, _steady_bps(sizes, sample), sum(similar) / max(len(similar), 1))

    verdict = choose([trial(crf) for crf in CRF_CANDIDATES], trial(None), cap_bps=cap_bps)
    if above is None:
        return verdict
    size = above.rendition.width, above.rendition.height
    similar = [
        ssim(luma(original), enlarge(picture, *size))
        for original, picture in zip(above.pictures[::COMPARED_EVERY], shown[verdict.crf], strict=False)
    ]
    return replace(verdict, enlarged_ssim=sum(similar) / max(len(similar), 1))


def measure_ladder(samples: Sequence[Sample]) -> dict[str, Verdict]:
    """Measure the same pictures in every rendition, the largest first; verdicts by its name.

    Raises:
        FFmpegError: an encoder refused the pictures.
    """
    verdicts: dict[str, Verdict] = {}
    above: Sample | None = None
    for sample in samples:
        same = above is not None and above.times_us == sample.times_us
        verdicts[sample.rendition.name] = measure(sample, above if same else None)
        above = sample
    return verdicts


def _encode(sample: Sample, crf: int | None) -> tuple[list[int], list[VideoFrame]]:
    """The size of each picture, and those that are compared, decoded: a second of 1080p is a hundred megabytes."""
    cap_bps = sample.rendition.bitrate_bps if crf is None else None
    encoder = open_x264(sample.rendition, sample.fps, crf=crf, cap_bps=cap_bps)
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    sizes: list[int] = []
    decoded: list[VideoFrame] = []
    count = 0
    for index, picture in enumerate(sample.pictures):
        picture.pts = index * round(1e6 / sample.fps)
        picture.time_base = MICROSECONDS
        picture.pict_type = PictureType.I if index == 0 else PictureType.NONE
        for packet in encoder.encode(picture):
            sizes.append(packet.size)
            frames = decoder.decode(packet)
            decoded += [frame for at, frame in enumerate(frames, count) if at % COMPARED_EVERY == 0]
            count += len(frames)
    decoded += [frame for at, frame in enumerate(decoder.decode(None), count) if at % COMPARED_EVERY == 0]
    return sizes, decoded


def _steady_bps(sizes: list[int], sample: Sample) -> int:
    """One keyframe and the rest of a GOP like the pictures that followed it."""
    if len(sizes) < 2:
        return 0
    following = sum(sizes[1:]) / (len(sizes) - 1)
    pictures = max(1.0, sample.fps * sample.gop_s)
    return round((sizes[0] + following * (pictures - 1)) * 8 / sample.gop_s)


class QualityProbe:
    """One thread that measures samples as they come; one set waits at most, later ones are dropped.

    Args:
        tell: gets the slot and the verdicts by rendition, in the probe's thread.
    """

    def __init__(self, tell: Callable[[int, Mapping[str, Verdict]], None]) -> None:
        self._tell = tell
        self._waiting: Mailbox[tuple[int, Sequence[Sample]]] = Mailbox(1)
        self._thread = threading.Thread(target=self._run, name="quality", daemon=True)
        self._thread.start()

    def offer(self, slot: int, samples: Sequence[Sample]) -> bool:
        """Have the pictures at the beginning of a slot measured, in all renditions, the largest first; False while
        there are others to do."""
        return self._waiting.offer((slot, samples))

    def close(self, timeout_s: float | None) -> None:
        """Take no more; waits for what is being measured."""
        self._waiting.close(drain=timeout_s is None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        if hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # on Linux: of this thread alone
        while True:
            try:
                slot, samples = self._waiting.take()
            except MailboxClosed:
                return
            try:
                self._tell(slot, measure_ladder(samples))
            except (FFmpegError, ValueError) as error:
                log.warning("The quality of a ladder could not be measured: %s", error)
            del samples
