"""Decides which input a transcoder shows: main, backup, or the slate while there is neither.

Theory of operation
-------------------
An input is LOST when no picture of it has come for 400 ms, or for four of its own frame intervals where those are
longer. It is WELL when it is not lost, began with a keyframe, and has been sending for `SETTLED_US`. Rules, in this
order:

    nothing shown yet            the preferred input with its first keyframe; the other when that is `START_GRACE_S` old
    the shown input is lost      the other one, if it is well; the slate, if nothing has come for `SLATE_AFTER_S`
    the slate is shown           the first input that is well, the preferred one before the other
    chosen by hand, just now     the chosen one as soon as it is well
    another one is preferred     that one, once it has been well for the policy's time, at its next keyframe

Preferred is what was chosen by hand, else main (`revert_us` None: whichever is shown). A choice by hand does not stop
the picture: while the chosen input is lost the other one helps out.

The way back is counted in the input's own media time and taken at one of its keyframes, so that two transcoders that
get the same inputs take it with the same picture; a loss is noticed by the time that passes without arrivals, so that
they notice it within a few milliseconds of each other, and both go on from the last picture that came.

Time is only counted while somebody looks, `LOOK_MAX_S` at a time: when this process itself was held up for a second,
its inputs were not silent, they were not heard.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from skyriver.services.live.model import REVERT_AFTER_S, InputName, InputSelect

LOST_AFTER_S = 0.4
LOST_AFTER_FRAMES = 4
LOST_AFTER_MAX_S = 2.0
"""A slide show at a picture a second is taken as such; what comes more rarely cannot be told from a dead encoder."""

SETTLED_US = 200_000
START_GRACE_S = 0.3  # two inputs that are both there when a transcoder starts are heard within a round trip
SLATE_AFTER_S = 1.0
FIRST_SLATE_AFTER_S = 3.0  # a cold start of a transcoder hears its first input within two
LOOK_MAX_S = 0.1
RATE_OVER_FRAMES = 16


class Feed(StrEnum):
    """What can be shown."""

    MAIN = "main"
    BACKUP = "backup"
    SLATE = "slate"


class Reason(StrEnum):
    """Why another feed is shown."""

    START = "start"
    LOST = "lost"
    RETURNED = "returned"  # to an input, from the slate
    MANUAL = "manual"
    REVERT = "revert"


@dataclass(frozen=True)
class Policy:
    """What the channel's people want. `revert_us` None: never back by itself."""

    select: InputSelect = InputSelect.AUTO
    revert_us: int | None = REVERT_AFTER_S * 1_000_000
    slate: bool = True


@dataclass(frozen=True)
class Switch:
    """Show `to` from now on. `silent_s`: for how long nothing had come of what was shown before."""

    to: Feed
    reason: Reason
    was: Feed | None
    silent_s: float = 0.0


class _Input:
    """What is known of one input."""

    def __init__(self) -> None:
        self.heard_s: float | None = None  # in watched time
        self.keyed_s: float | None = None  # when its first keyframe came
        self.well_since_us: int | None = None  # media time of the keyframe with which it began to be well
        self.newest_us = 0
        self._recent: deque[int] = deque(maxlen=RATE_OVER_FRAMES)

    def arrive(self, pts_us: int, now_s: float, *, keyframe: bool) -> None:
        interrupted = self.heard_s is None or pts_us - self.newest_us > self.lost_after_s * 1e6
        if interrupted:
            self.well_since_us = None
            self._recent.clear()
        if self.well_since_us is None and keyframe:
            self.well_since_us = pts_us
            self.keyed_s = now_s
        self.newest_us = max(self.newest_us, pts_us)
        self._recent.append(self.newest_us)
        self.heard_s = now_s

    @property
    def lost_after_s(self) -> float:
        """The silence that means loss: by its own frame rate."""
        if len(self._recent) < 2:
            return LOST_AFTER_S
        interval_s = (self._recent[-1] - self._recent[0]) / (len(self._recent) - 1) / 1e6
        return min(max(LOST_AFTER_S, LOST_AFTER_FRAMES * interval_s), LOST_AFTER_MAX_S)

    def silent_s(self, now_s: float) -> float:
        return now_s - self.heard_s if self.heard_s is not None else float("inf")

    def lost(self, now_s: float) -> bool:
        return self.silent_s(now_s) >= self.lost_after_s

    def well_us(self, now_s: float) -> int:
        """For how long it has been well, in its own media time; -1 when it is not."""
        if self.well_since_us is None or self.lost(now_s):
            return -1
        return self.newest_us - self.well_since_us


class InputSelector:
    """The decision of one transcoder. Feed it every arrival, look now and then, act on what it returns.

    Args:
        first: the input that was shown when an earlier transcoder of this channel ended, if one was.
    """

    def __init__(self, policy: Policy, *, first: InputName | None = None) -> None:
        self.active: Feed | None = None
        self._policy = policy
        self._first = first
        self._chosen_now = False
        self._inputs: Mapping[InputName, _Input] = {name: _Input() for name in InputName}
        self._watched_s = 0.0
        self._looked_at_s: float | None = None
        self._shown_since_s = 0.0

    @property
    def policy(self) -> Policy:
        return self._policy

    def follow(self, policy: Policy) -> None:
        """The channel's people want something else. A new choice by hand is carried out at the next look."""
        if policy.select is not self._policy.select:
            self._chosen_now = policy.select is not InputSelect.AUTO
        self._policy = policy

    def arrive(self, name: InputName, pts_us: int, now_s: float, *, keyframe: bool) -> Switch | None:
        """A picture of an input came, at `now_s` of any monotonic clock. Call it before the picture is used."""
        self._pass(now_s)
        self._inputs[name].arrive(pts_us, self._watched_s, keyframe=keyframe)
        if self.active is None and keyframe and name is self._preferred:
            return self._show(name, Reason.START)
        if keyframe and (back := self._way_back(name)) is not None:
            return back
        return self._decide()

    def look(self, now_s: float) -> Switch | None:
        """Time passed."""
        self._pass(now_s)
        return self._decide()

    def health(self) -> dict[InputName, str]:
        """Each input in a word: `well`, `settling`, `lost`, or `absent` when nothing of it ever came."""
        words = {}
        for name, seen in self._inputs.items():
            if seen.heard_s is None:
                words[name] = "absent"
            elif seen.lost(self._watched_s):
                words[name] = "lost"
            else:
                words[name] = "well" if self._is_well(name) else "settling"
        return words

    @property
    def _preferred(self) -> InputName:
        if self._policy.select is not InputSelect.AUTO:
            return InputName(self._policy.select.value)
        if self._policy.revert_us is None and self._first is not None:
            return self._first
        return self._first if self.active is None and self._first is not None else InputName.MAIN

    def _decide(self) -> Switch | None:
        preferred = self._preferred
        ranked = (preferred, preferred.other)
        if self.active is None:
            for name in ranked:
                seen = self._inputs[name]
                if seen.keyed_s is not None and self._watched_s - seen.keyed_s >= START_GRACE_S and self._is_well(name):
                    return self._show(name, Reason.START)
            return self._slate(FIRST_SLATE_AFTER_S)
        if self.active is Feed.SLATE:
            well = next((name for name in ranked if self._is_well(name)), None)
            return self._show(well, Reason.RETURNED) if well is not None else None
        shown = InputName(self.active.value)
        if self._inputs[shown].lost(self._watched_s):
            return self._show(shown.other, Reason.LOST) if self._is_well(shown.other) else self._slate(SLATE_AFTER_S)
        if self._chosen_now and shown is preferred:
            self._chosen_now = False
        if self._chosen_now and self._is_well(preferred):
            return self._show(preferred, Reason.MANUAL)
        return None

    def _way_back(self, name: InputName) -> Switch | None:
        """Whether the preferred input, of which a keyframe came, has been well for long enough to be shown again."""
        if self.active in (None, Feed.SLATE, Feed(name.value)) or name is not self._preferred:
            return None
        by_hand = self._policy.select is not InputSelect.AUTO
        after_us = self._policy.revert_us
        if after_us is None:
            if not by_hand:
                return None
            after_us = REVERT_AFTER_S * 1_000_000
        enough = self._inputs[name].well_us(self._watched_s) >= after_us
        return self._show(name, Reason.REVERT) if enough else None

    def _slate(self, after_s: float) -> Switch | None:
        """The slate, once nothing at all has come for so long."""
        silent_s = min(seen.silent_s(self._watched_s) for seen in self._inputs.values())
        silent_s = min(silent_s, self._watched_s - self._shown_since_s)
        if not self._policy.slate or silent_s < after_s:
            return None
        return self._show(Feed.SLATE, Reason.LOST)

    def _is_well(self, name: InputName) -> bool:
        return self._inputs[name].well_us(self._watched_s) >= SETTLED_US

    def _show(self, to: InputName | Feed, reason: Reason) -> Switch:
        was = self.active
        silent_s = 0.0
        if was is not None and was is not Feed.SLATE:
            silent_s = self._inputs[InputName(was.value)].silent_s(self._watched_s)
        self.active = Feed(to.value)
        self._shown_since_s = self._watched_s
        if self.active is not Feed.SLATE:
            self._first = InputName(self.active.value)
            if self._first is self._preferred:
                self._chosen_now = False
        return Switch(self.active, reason, was, silent_s)

    def _pass(self, now_s: float) -> None:
        if self._looked_at_s is not None:
            self._watched_s += min(max(now_s - self._looked_at_s, 0.0), LOOK_MAX_S)
        self._looked_at_s = now_s
