"""Takes samples of a rendition's pictures now and then, and measures what quality they need, beside the live work."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

import av
from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame

from skyriver.services.live.media.mailbox import Mailbox, MailboxClosed
from skyriver.services.live.media.quality.choice import CRF_CANDIDATES, Trial, Verdict, choose
from skyriver.services.live.media.quality.ssim import luma, ssim
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


def measure(sample: Sample) -> Verdict:
    """Encode the sample at every candidate, and at the whole bit rate. Takes a few hundred milliseconds of one core.

    Raises:
        FFmpegError: an encoder refused the pictures.
    """
    originals = [luma(picture) for picture in sample.pictures[::COMPARED_EVERY]]
    cap_bps = sample.rendition.bitrate_bps

    def trial(crf: int | None) -> Trial:
        encoder = open_x264(sample.rendition, sample.fps, crf=crf, cap_bps=None if crf is not None else cap_bps)
        decoder = av.CodecContext.create("h264", "r")
        decoder.thread_count = 1
        sizes: list[int] = []
        similar: list[float] = []
        shown = 0

        def compare(decoded: list[VideoFrame]) -> None:  # one by one: a second of 1080p is a hundred megabytes
            nonlocal shown
            for picture in decoded:
                if shown % COMPARED_EVERY == 0:
                    similar.append(ssim(originals[shown // COMPARED_EVERY], luma(picture)))
                shown += 1

        for index, picture in enumerate(sample.pictures):
            picture.pts = index * round(1e6 / sample.fps)
            picture.time_base = MICROSECONDS
            picture.pict_type = PictureType.I if index == 0 else PictureType.NONE
            for packet in encoder.encode(picture):
                sizes.append(packet.size)
                compare(decoder.decode(packet))
        compare(decoder.decode(None))
        return Trial(crf, _steady_bps(sizes, sample), sum(similar) / max(len(similar), 1))

    return choose([trial(crf) for crf in CRF_CANDIDATES], trial(None), cap_bps=cap_bps)


def _steady_bps(sizes: list[int], sample: Sample) -> int:
    """One keyframe and the rest of a GOP like the pictures that followed it."""
    if len(sizes) < 2:
        return 0
    following = sum(sizes[1:]) / (len(sizes) - 1)
    pictures = max(1.0, sample.fps * sample.gop_s)
    return round((sizes[0] + following * (pictures - 1)) * 8 / sample.gop_s)


class QualityProbe:
    """One thread that measures samples as they come; one waits at most, later ones are dropped.

    Args:
        tell: gets the name of the rendition and the verdict, in the probe's thread.
    """

    def __init__(self, tell: Callable[[str, Verdict], None]) -> None:
        self._tell = tell
        self._samples: Mailbox[Sample] = Mailbox(1)
        self._thread = threading.Thread(target=self._run, name="quality", daemon=True)
        self._thread.start()

    def offer(self, sample: Sample) -> bool:
        """Have a sample measured; False while there is another one to do."""
        return self._samples.offer(sample)

    def close(self, timeout_s: float) -> None:
        """Take no more; waits for the one that is being measured."""
        self._samples.close()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        if hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)  # on Linux: of this thread alone
        while True:
            try:
                sample = self._samples.take()
            except MailboxClosed:
                return
            try:
                self._tell(sample.rendition.name, measure(sample))
            except (FFmpegError, ValueError) as error:
                log.warning("The quality of %s could not be measured: %s", sample.rendition.name, error)
            del sample
