"""Which quality is enough, in pure code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CRF_DEFAULT = 23
"""What a rendition begins with, before anything was measured: x264's own default."""

CRF_CANDIDATES = (20, 23, 26, 29, 32)

SSIM_ENOUGH = 0.985
"""Above this, more bits are not seen. (Lower ones are, on sharp edges: captions, a scoreboard.)"""

SSIM_LOSS_MAX = 0.004
"""A hard picture does not reach that even at its full bit rate; then no more than this may be given away."""


@dataclass(frozen=True)
class Trial:
    """One encoding of the sample: the bit rate that it would need in steady running, the mean SSIM of its pictures.

    `crf` is None for the reference: the rendition's whole bit rate, spent.
    """

    crf: int | None
    bitrate_bps: int
    ssim: float


@dataclass(frozen=True)
class Verdict:
    """The quality to use, and what it means: measured on the same pictures, at this moment.

    Without a `crf` no constant quality saves anything, and the whole bit rate is spent.
    """

    crf: int | None
    bitrate_bps: int
    ssim: float
    reference_bps: int
    reference_ssim: float
    enlarged_ssim: float | None = None
    """Against the originals of the next larger rendition, enlarged to its size; None for the largest one."""

    @property
    def saved(self) -> float:
        """Share of the reference's bits that are not needed: 0 to 1; negative never, the cap holds."""
        return max(0.0, 1 - self.bitrate_bps / self.reference_bps) if self.reference_bps else 0.0


def choose(trials: Sequence[Trial], reference: Trial, *, cap_bps: int) -> Verdict:
    """The cheapest trial that looks like the reference, or like perfect, and stays below the cap.

    Where none does, the reference itself: constant quality that the cap cuts back picture by picture takes as many bits
    as a bit rate that is planned, and looks worse.
    """
    needed = min(SSIM_ENOUGH, reference.ssim - SSIM_LOSS_MAX)
    good = [trial for trial in trials if trial.ssim >= needed and trial.bitrate_bps < cap_bps]
    if not good:
        return Verdict(None, cap_bps, reference.ssim, cap_bps, reference.ssim)
    taken = min(good, key=lambda trial: trial.bitrate_bps)
    return Verdict(taken.crf, taken.bitrate_bps, taken.ssim, cap_bps, reference.ssim)
