"""What a live channel is, in pure code: its names, policies, ladders and life. No I/O, no clock of its own.

The life of a channel
---------------------
A channel has three states that people see:

    offline --(input started)--> starting --(picture delivered)--> live
    starting, live --(input stopped)--> the same state, HELD for 30 s
    held --(input started)--> the same state: viewers never left, nothing restarts
    held --(30 s passed)--> offline
    live --(no picture delivered for 5 s while there is input)--> starting

The hold is what keeps viewers attached while a publisher reconnects: the space, the viewers' sessions and the
transcoder all outlive the publisher's connection. Group numbers come from presentation time, so that the picture
after the gap simply has later groups. A transcoder is wanted exactly while a channel is not offline.

An input is named by its `since`. Events about an input that has been replaced (the old publisher's "stopped"
that arrives after the new publisher's "started") are recognised by it and ignored.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

HOLD = timedelta(seconds=30)
"""How long a channel waits for its publisher to come back. Encoders retry every 5-10 s: three tries."""

PICTURE_LOST_AFTER = timedelta(seconds=5)
"""Longer than a cold restart of a transcoder (2 s): a replaced worker does not make the channel's state blink."""

SLUG_MIN_CHARS, SLUG_MAX_CHARS = 2, 40
"""As `platform.web.fields.Slug`. A slug has no underscore and an id has one, so that neither is taken for the other."""

CHANNELS_PER_TENANT_MAX = 500
"""A station's spec lists every channel it carries (about 1 KB each), in one line of the child protocol (8 MiB)."""
STREAM_KEYS_PER_CHANNEL_MAX = 10


class ChannelState(StrEnum):
    OFFLINE = "offline"
    STARTING = "starting"
    LIVE = "live"


class Takeover(StrEnum):
    """What happens when a second publisher comes with a valid key while the first still sends."""

    FIRST_WINS = "first_wins"  # the newcomer is refused: nobody can cut off a running show by mistake
    TAKEOVER = "takeover"  # the newcomer replaces the first: a spare encoder takes over without waiting


class InputName(StrEnum):
    """A channel's inputs: two encoders, best at two places. Each has its own keys."""

    MAIN = "main"
    BACKUP = "backup"


# --- profiles ---------------------------------------------------------------------------------------------------


class ProfileName(StrEnum):
    STANDARD = "standard"
    LIGHT = "light"  # small machines: about half the work of standard
    HIGH = "high"
    SOURCE = "source"  # the publisher's own video, and nothing re-encoded


@dataclass(frozen=True)
class Rendition:
    """One encoding of a ladder. `width` x `height` is a box that the picture is fitted into, never stretched to."""

    name: str
    width: int
    height: int
    bitrate_bps: int


@dataclass(frozen=True)
class AudioRendition:
    """One audio encoding: AAC for HLS, Opus for MoQ; a channel always has both."""

    codec: str
    bitrate_bps: int


@dataclass(frozen=True)
class Profile:
    """A ladder below the source. The source's own video is always passed through untouched, as rendition `source`."""

    name: ProfileName
    renditions: tuple[Rendition, ...]
    audio: tuple[AudioRendition, ...] = (AudioRendition("aac", 128_000), AudioRendition("opus", 96_000))


_LADDERS: dict[ProfileName, tuple[Rendition, ...]] = {
    ProfileName.STANDARD: (Rendition("480p", 854, 480, 1_400_000), Rendition("270p", 480, 270, 500_000)),
    ProfileName.LIGHT: (Rendition("360p", 640, 360, 800_000), Rendition("180p", 320, 180, 250_000)),
    ProfileName.HIGH: (Rendition("720p", 1280, 720, 3_000_000), Rendition("480p", 854, 480, 1_400_000)),
    ProfileName.SOURCE: (),
}
PROFILES: dict[ProfileName, Profile] = {name: Profile(name, ladder) for name, ladder in _LADDERS.items()}


def fit_ladder(renditions: Iterable[Rendition], width: int, height: int) -> tuple[Rendition, ...]:
    """The renditions that make sense below a source of `width` x `height`, at their true sizes.

    Keeps the source's shape, rounds to even numbers (4:2:0 chroma has half the resolution), works for upright
    pictures (a ladder is a ladder of short sides), and leaves out what would not be smaller than the source:
    enlarging costs bits and adds nothing.
    """
    fitted = []
    for rendition in renditions:
        long_side, short_side = max(rendition.width, rendition.height), min(rendition.width, rendition.height)
        box_width, box_height = (long_side, short_side) if width >= height else (short_side, long_side)
        scale = min(box_width / width, box_height / height)
        if scale < 1:
            size = _even(width * scale), _even(height * scale)
            fitted.append(replace(rendition, width=size[0], height=size[1]))
    return tuple(fitted)


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)


# --- the life of a channel ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Input:
    """What a publisher sends. Zeros and empty strings mean: not known yet."""

    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bitrate_bps: int = 0
    audio: str = ""


@dataclass(frozen=True)
class Life:
    """Where a channel is in its life. Immutable; `on_…` and `at` return the next one."""

    state: ChannelState = ChannelState.OFFLINE
    since: datetime | None = None  # when the present (or held) input started: its name
    ended_at: datetime | None = None  # when it stopped, while held
    picture_at: datetime | None = None  # when a picture of this show was last delivered

    @property
    def has_input(self) -> bool:
        return self.since is not None and self.ended_at is None

    @property
    def wants_transcoder(self) -> bool:
        return self.state is not ChannelState.OFFLINE

    def on_input_started(self, since: datetime) -> Life:
        """A publisher is there. Repeating it, or an older publisher's late news, changes nothing."""
        if self.since is not None and (since < self.since or (since == self.since and self.ended_at is None)):
            return self
        state = ChannelState.STARTING if self.state is ChannelState.OFFLINE else self.state
        # The picture's age counts from the new input: a publisher back after 29 s has its 5 s to show something.
        picture_at = since if self.picture_at is not None else None
        return Life(state=state, since=since, ended_at=None, picture_at=picture_at)

    def on_input_stopped(self, since: datetime, now: datetime) -> Life:
        """The publisher named by `since` is gone: hold. A replaced publisher's late news changes nothing."""
        if not self.has_input or self.since is None or since < self.since:
            return self
        return replace(self, ended_at=now)

    def on_picture(self, now: datetime) -> Life:
        """The transcoder delivers pictures of this channel."""
        if not self.has_input:
            return self
        return replace(self, state=ChannelState.LIVE, picture_at=now)

    def at(self, now: datetime) -> Life:
        """What the passing of time does. A wall clock that was set back restarts a hold; it never lasts for ever."""
        if self.ended_at is not None:
            if self.ended_at > now:
                return replace(self, ended_at=now)
            return self if is_wanted(self.since, self.ended_at, now) else Life()
        if self.state is ChannelState.LIVE and self.picture_at is not None:
            if self.picture_at > now:
                return replace(self, picture_at=now)
            if now - self.picture_at >= PICTURE_LOST_AFTER:
                return replace(self, state=ChannelState.STARTING)
        return self


def is_wanted(since: datetime | None, ended_at: datetime | None, now: datetime) -> bool:
    """Whether a channel with this input (see `Life`) has work to do: there is input, or it is held.

    An end that lies far in the future was written by a clock that has been set back since: it is over.
    """
    return since is not None and (ended_at is None or abs(now - ended_at) < HOLD)


# --- names and places ---------------------------------------------------------------------------------------------


BROADCAST = "live"
"""The broadcast that viewers get, in the channel's space: nothing else is there."""
SOURCE_BROADCAST = "src"
"""What the station publishes for the transcoder, in the channel's ingest space."""


def space_of(channel_id: str) -> str:
    """The viewers' space of a channel on the fabric. Who may enter it may have all of it, so that relays share it out
    natively: a scope within a space would be copied frame by frame."""
    return f"live/{channel_id}"


def ingest_space_of(channel_id: str) -> str:
    """The space between a channel's station and its transcoder. No viewer's grant opens it."""
    return f"ingest/{channel_id}"


def channel_of(space: str) -> str | None:
    """The channel a space belongs to; None if it is not a live channel's."""
    service, _, channel_id = space.partition("/")
    return channel_id if service == "live" and channel_id and "/" not in channel_id else None


def slug_from(name: str) -> str:
    """A slug made from a name; empty when too little of it can be written in ASCII (天河): the caller invents one."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:SLUG_MAX_CHARS].strip("-")
    return slug if len(slug) >= SLUG_MIN_CHARS else ""


def home_of(channel_id: str, node_ids: Iterable[str]) -> str | None:
    """The core node whose station carries a channel: rendezvous hashing (Thaler and Ravishankar, 1998).

    Every channel has one home, so that a station knows only the keys it must know; when a node joins or dies, only
    the channels that move to it or away from it move.
    """
    return max(node_ids, key=lambda node_id: hashlib.sha256(f"{channel_id} {node_id}".encode()).digest(), default=None)
