"""When the ladder changes: at slots that follow from media time alone, so that a standby chooses the same.

Theory of operation
-------------------
Time is cut into slots of two seconds (`fabric.numbering`) and into epochs of `CHOICE_EVERY_SLOTS`. In each slot that is
a multiple of `SAMPLE_EVERY_SLOTS` the first pictures are measured. An epoch's ladder is chosen by the samples of the
epoch before it, by what its slots took, and by nothing else: no clock, no speed of this machine. Two transcoders that
saw the same pictures for a whole epoch choose the same for the next one; one that lacks a sample keeps the profile's
ladder, which harms nobody, as every track carries pictures whatever was chosen.

So the ladder changes once an epoch at most, with one exception: a rendition that runs into a lowered cap ends the
choice for the rest of its epoch. Encoders ask slot by slot, each in its own thread; what one was told of a slot, all
are told.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skyriver.services.live.media.quality.choice import CRF_DEFAULT, Verdict
from skyriver.services.live.media.quality.ladder_choice import Rung, choose_ladder, whole_ladder
from skyriver.services.live.model import Rendition

SAMPLE_EVERY_SLOTS = 30  # a minute
CHOICE_EVERY_SLOTS = 90  # three minutes: three samples
APPLIED_AFTER_SLOTS = 5
"""When a sample's quality holds: measuring takes seconds, on a busy machine more, and the standby must not differ."""

PRESSED = 0.9
"""A slot that takes this share of a lowered cap would have taken more."""


@dataclass(frozen=True)
class ChosenLadder:
    """What holds now. `withdrawn`: it was chosen, and then the show needed more."""

    rungs: tuple[Rung, ...]
    adapted: bool = False
    withdrawn: bool = False


class LadderChooser:
    """The samples of a channel, and what follows from them. Any thread may call anything.

    Args:
        fixed: keep the profile's ladder; qualities are still chosen.
    """

    def __init__(self, *, fixed: bool = False) -> None:
        self._fixed = fixed
        self._lock = threading.Lock()
        self._renditions: tuple[Rendition, ...] = ()
        self._samples: dict[int, Mapping[str, Verdict]] = {}
        self._chosen: dict[int, ChosenLadder] = {}  # by epoch
        self._withdrawn_from: dict[int, int] = {}  # epoch -> slot
        self._spent: dict[int, dict[str, int]] = {}
        self._asked_slot = -1

    def begin(self, renditions: Sequence[Rendition]) -> None:
        """The source has this ladder from now on, the largest first; what was measured of another size says nothing."""
        with self._lock:
            self._renditions = tuple(renditions)
            self._samples.clear()
            self._chosen.clear()
            self._withdrawn_from.clear()
            self._spent.clear()

    def measured(self, slot: int, verdicts: Mapping[str, Verdict]) -> None:
        """The pictures at the beginning of this slot need that."""
        with self._lock:
            self._samples[slot] = verdicts
            for old in [at for at in self._samples if at < slot - 2 * CHOICE_EVERY_SLOTS]:
                del self._samples[old]

    def crf(self, name: str, slot: int) -> int | None:
        """The quality at which a rendition is encoded in this slot; None: its whole bit rate is spent."""
        with self._lock:
            ripe = [at for at in self._samples if at + APPLIED_AFTER_SLOTS <= slot and name in self._samples[at]]
            return self._samples[max(ripe)][name].crf if ripe else CRF_DEFAULT

    def ladder(self, slot: int) -> ChosenLadder:
        """What is encoded in this slot."""
        with self._lock:
            self._asked_slot = max(self._asked_slot, slot)
            return self._ladder(slot)

    def rung(self, name: str, slot: int) -> Rung | None:
        """One rendition of it; None for one that the source has no room for."""
        return next((rung for rung in self.ladder(slot).rungs if rung.name == name), None)

    def spent(self, name: str, slot: int, bitrate_bps: int) -> None:
        """What a whole slot of a rendition took. When that is its lowered cap, the whole ladder is back from the next
        slot on that nobody was told of yet.

        An epoch's last slot counts for the next one: who asks first for that does not know yet what others took.
        """
        epoch = slot // CHOICE_EVERY_SLOTS
        with self._lock:
            spent = self._spent.setdefault((slot + 1) // CHOICE_EVERY_SLOTS, {})
            spent[name] = max(spent.get(name, 0), bitrate_bps)
            full_bps = next((r.bitrate_bps for r in self._renditions if r.name == name), 0)
            rung = next((rung for rung in self._ladder(slot).rungs if rung.name == name), None)
            if rung is not None and rung.cap_bps < full_bps and bitrate_bps >= PRESSED * rung.cap_bps:
                self._withdrawn_from.setdefault(epoch, self._asked_slot + 1)

    def now(self) -> tuple[ChosenLadder, Mapping[str, Verdict]]:
        """What was asked for last, and the last measurement."""
        with self._lock:
            newest = self._samples[max(self._samples)] if self._samples else {}
            return self._ladder(self._asked_slot), newest

    def _ladder(self, slot: int) -> ChosenLadder:
        epoch = slot // CHOICE_EVERY_SLOTS
        if epoch not in self._chosen:
            self._chosen = {at: chosen for at, chosen in self._chosen.items() if at >= epoch - 1}
            self._withdrawn_from = {at: begin for at, begin in self._withdrawn_from.items() if at >= epoch - 1}
            self._spent = {at: spent for at, spent in self._spent.items() if at >= epoch - 1}
            self._chosen[epoch] = self._choose(epoch)
        if slot >= self._withdrawn_from.get(epoch, slot + 1):
            return ChosenLadder(whole_ladder(self._renditions), withdrawn=True)
        return self._chosen[epoch]

    def _choose(self, epoch: int) -> ChosenLadder:
        whole = whole_ladder(self._renditions)
        until = epoch * CHOICE_EVERY_SLOTS
        wanted = range(until - CHOICE_EVERY_SLOTS, until, SAMPLE_EVERY_SLOTS)
        names = {rendition.name for rendition in self._renditions}
        found = [self._samples.get(slot, {}) for slot in wanted]
        if self._fixed or not names or any(not names <= sample.keys() for sample in found):
            return ChosenLadder(whole)
        rungs = choose_ladder(self._renditions, found, self._spent.get(epoch - 1))
        same = all(
            rung.carried_by is None and rung.cap_bps == full.cap_bps for rung, full in zip(rungs, whole, strict=True)
        )
        return ChosenLadder(rungs, adapted=not same)
