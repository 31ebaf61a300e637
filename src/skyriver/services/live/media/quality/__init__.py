"""How good must each rendition be, and what does it save? Measured on the pictures themselves.

One quality setting for everything wastes bits on easy pictures (slides, a talking head) and cannot be improved on hard
ones. So now and then a second of a rendition's own pictures is encoded at several qualities, beside what the whole
bit rate of the rendition would have given, and the cheapest one that nobody can tell from it is taken. What was saved
is said only as it was measured: bits and SSIM of the same pictures. The same samples say, over minutes, which
renditions the show needs at all (`ladder_choice`, `chooser`).
"""

from __future__ import annotations

from skyriver.services.live.media.quality.choice import CRF_DEFAULT, Trial, Verdict, choose
from skyriver.services.live.media.quality.chooser import ChosenLadder, LadderChooser
from skyriver.services.live.media.quality.ladder_choice import Rung, choose_ladder
from skyriver.services.live.media.quality.probe import SAMPLE_PICTURES, QualityProbe, Sample

__all__ = [
    "CRF_DEFAULT",
    "SAMPLE_PICTURES",
    "ChosenLadder",
    "LadderChooser",
    "QualityProbe",
    "Rung",
    "Sample",
    "Trial",
    "Verdict",
    "choose",
    "choose_ladder",
]
