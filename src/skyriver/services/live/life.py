"""The life of a channel, in pure code. No I/O, no clock of its own.

A channel has three states that people see:

    offline --(an input started)--> starting --(picture delivered)--> live
    starting, live --(its last input stopped)--> the same state, HELD
    held --(an input started)--> the same state: viewers never left, nothing restarts
    held --(the hold passed)--> offline
    live --(no picture delivered for 5 s while there is input)--> starting

The hold is what keeps viewers attached while publishers reconnect: the space, the viewers' sessions and the transcoder
all outlive a publisher's connection, and the transcoder shows a slate. It lasts as long as the channel's slate, and for
30 s where it has none. Group numbers come from presentation time, so that the picture after the gap simply has later
groups. A transcoder is wanted exactly while a channel is not offline.

A channel has two inputs. A publisher of either is named by its `since`: events about one that has been replaced (the
old publisher's "stopped" that arrives after the new publisher's "started") are recognised by it and ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from skyriver.services.live.model import HOLD, ChannelState, InputName

PICTURE_LOST_AFTER = timedelta(seconds=5)
"""Longer than a cold restart of a transcoder (2 s): a replaced worker does not make the channel's state blink."""


def hold_of(slate_minutes: int) -> timedelta:
    """How long a channel waits for its publishers: while its slate is shown; without one, for encoders' retries."""
    return max(HOLD, timedelta(minutes=slate_minutes))


@dataclass(frozen=True)
class Presence:
    """The publisher of one input, or its last one."""

    since: datetime
    ended_at: datetime | None = None

    @property
    def present(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True)
class Life:
    """Where a channel is in its life. Immutable; `on_…` and `at` return the next one."""

    state: ChannelState = ChannelState.OFFLINE
    inputs: Mapping[InputName, Presence] = field(default_factory=dict)
    picture_at: datetime | None = None  # when a picture of this show was last delivered
    hold: timedelta = HOLD

    @property
    def has_input(self) -> bool:
        return any(presence.present for presence in self.inputs.values())

    @property
    def ended_at(self) -> datetime | None:
        """When the last publisher stopped; None while there is one, or was none."""
        return None if self.has_input else last_end(self.inputs.values())

    @property
    def wants_transcoder(self) -> bool:
        return self.state is not ChannelState.OFFLINE

    def present(self, name: InputName) -> bool:
        """Whether this input has a publisher."""
        presence = self.inputs.get(name)
        return presence is not None and presence.present

    def since(self, name: InputName = InputName.MAIN) -> datetime | None:
        """When the input's present (or held) publisher started: its name."""
        presence = self.inputs.get(name)
        return presence.since if presence else None

    def on_input_started(self, since: datetime, name: InputName = InputName.MAIN) -> Life:
        """A publisher is there. Repeating it, or an older publisher's late news, changes nothing."""
        known = self.inputs.get(name)
        if known is not None and (since < known.since or (since == known.since and known.present)):
            return self
        state = ChannelState.STARTING if self.state is ChannelState.OFFLINE else self.state
        # The picture's age counts from the new input: a publisher back after 29 s has its 5 s to show something.
        picture_at = since if self.picture_at is not None and not self.present(name.other) else self.picture_at
        inputs = {**self.inputs, name: Presence(since)}
        return replace(self, state=state, inputs=inputs, picture_at=picture_at)

    def on_input_stopped(self, since: datetime, now: datetime, name: InputName = InputName.MAIN) -> Life:
        """The publisher named by `since` is gone: hold. A replaced publisher's late news changes nothing."""
        known = self.inputs.get(name)
        if known is None or not known.present or since < known.since:
            return self
        return replace(self, inputs={**self.inputs, name: replace(known, ended_at=now)})

    def on_picture(self, now: datetime) -> Life:
        """The transcoder delivers pictures of this channel."""
        if not self.has_input:
            return self
        return replace(self, state=ChannelState.LIVE, picture_at=now)

    def at(self, now: datetime) -> Life:
        """What the passing of time does. A wall clock that was set back restarts a hold; it never lasts for ever."""
        if (ended_at := self.ended_at) is not None:
            if ended_at > now:
                inputs = {n: replace(p, ended_at=min(p.ended_at or now, now)) for n, p in self.inputs.items()}
                return replace(self, inputs=inputs)
            return self if is_wanted(self.inputs.values(), self.hold, now) else Life(hold=self.hold)
        if self.state is ChannelState.LIVE and self.picture_at is not None:
            if self.picture_at > now:
                return replace(self, picture_at=now)
            if now - self.picture_at >= PICTURE_LOST_AFTER:
                return replace(self, state=ChannelState.STARTING)
        return self


def last_end(inputs: Iterable[Presence]) -> datetime | None:
    """When the last of these publishers stopped; None when none has."""
    return max((presence.ended_at for presence in inputs if presence.ended_at is not None), default=None)


def is_wanted(inputs: Iterable[Presence], hold: timedelta, now: datetime) -> bool:
    """Whether a channel with these inputs has work to do: there is one, or it is held.

    An end that lies far in the future was written by a clock that has been set back since: it is over.
    """
    inputs = tuple(inputs)
    if any(presence.present for presence in inputs):
        return True
    ended_at = last_end(inputs)
    return ended_at is not None and abs(now - ended_at) < hold
