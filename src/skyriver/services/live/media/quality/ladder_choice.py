"""Which renditions a show needs, and how much each may take, in pure code.

A fixed ladder is made for the hardest show. On an easy one its renditions hardly differ in bits: what a smaller one
saves is less than what viewers lose with it. The idea is per-title encoding (Aaron et al., "Per-Title Encode
Optimization", Netflix Technology Blog, 2015; De Cock et al., "Complexity-based consistent-quality encoding in the
cloud", IEEE ICIP 2016): of all pairs of size and bit rate only those on the convex hull are offered. Here, of what was
measured on samples of the last minutes:

- a rendition's cap comes down to `HEADROOM` times the most that any sample, or any slot, needed, never below a quarter;
- a rendition is carried by the next larger one, where that needs nearly the same bits in every sample, looks better at
  the same size (measured), and its cap is not above the smaller one's own in the profile: whoever could watch the one
  can watch the other.

Nothing is given away: a show that turns hard runs into its lowered cap, and then has the profile's ladder back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skyriver.services.live.media.quality.choice import Verdict
from skyriver.services.live.model import Rendition

NEARLY_SHARE = 1.25
NEARLY_BPS = 64_000
"""What the larger one may need more, by share or absolutely: half of what the sound takes."""

HEADROOM = 2.0
"""What comes may be harder than what was."""

CAP_SHARES = (0.25, 0.35, 0.5, 0.71, 1.0)
"""Steps of the square root of two: finer ones would change the catalog without a use."""


@dataclass(frozen=True)
class Rung:
    """One rendition of a chosen ladder. `carried_by` names the one whose pictures are sent in its place."""

    name: str
    cap_bps: int
    carried_by: str | None = None
    needs_bps: int | None = None
    """The most that any sample or slot needed; None where nothing was measured."""
    ssim: float | None = None
    """Of the larger one, where it is carried: mean of the samples, at that one's size."""
    enlarged_ssim: float | None = None
    """Of itself, enlarged to the same size."""


def whole_ladder(renditions: Sequence[Rendition]) -> tuple[Rung, ...]:
    """The profile's own."""
    return tuple(Rung(rendition.name, rendition.bitrate_bps) for rendition in renditions)


def choose_ladder(
    renditions: Sequence[Rendition],
    samples: Sequence[Mapping[str, Verdict]],
    spent_bps: Mapping[str, int] | None = None,
) -> tuple[Rung, ...]:
    """The ladder for a show that looks like these samples.

    Args:
        renditions: the profile's, the largest first.
        samples: what was measured of each rendition at several moments.
        spent_bps: the most that a slot of it took meanwhile, of those that were encoded.
    """
    rungs: list[Rung] = []
    for rendition in renditions:
        verdicts = [sample[rendition.name] for sample in samples]
        needs_bps = max((spent_bps or {}).get(rendition.name, 0), *(verdict.bitrate_bps for verdict in verdicts))
        caps = (round(rendition.bitrate_bps * share) for share in CAP_SHARES)
        cap_bps = next((cap for cap in caps if cap >= HEADROOM * needs_bps), rendition.bitrate_bps)
        carrier = rungs[-1] if rungs else None
        if carrier is not None and carrier.carried_by is not None:
            carrier = next(rung for rung in rungs if rung.name == carrier.carried_by)
        larger = [sample[rungs[-1].name] for sample in samples] if rungs else []
        sent = [sample[carrier.name] for sample in samples] if carrier is not None else []
        fits = carrier is not None and carrier.cap_bps <= rendition.bitrate_bps
        if carrier is not None and fits and all(map(_is_beside_the_hull, verdicts, larger, sent)):
            rungs.append(
                Rung(
                    rendition.name,
                    carrier.cap_bps,
                    carrier.name,
                    needs_bps,
                    sum(verdict.ssim for verdict in larger) / len(larger),
                    sum(verdict.enlarged_ssim or 0.0 for verdict in verdicts) / len(verdicts),
                )
            )
        else:
            rungs.append(Rung(rendition.name, cap_bps, None, needs_bps))
    return tuple(rungs)


def _is_beside_the_hull(smaller: Verdict, larger: Verdict, sent: Verdict) -> bool:
    """Whether the next larger picture looks better at its size, and the one that is sent costs nearly the same."""
    allowed_bps = max(smaller.bitrate_bps * NEARLY_SHARE, smaller.bitrate_bps + NEARLY_BPS)
    better = smaller.enlarged_ssim is not None and larger.ssim >= smaller.enlarged_ssim
    return better and sent.bitrate_bps <= allowed_bps
