"""What a live channel is, in pure code: its names, policies and ladders. Its life is in `life`. No I/O, no clock."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

HOLD = timedelta(seconds=30)
"""How long a channel waits for its publisher to come back. Encoders retry every 5-10 s: three tries."""

SLUG_MIN_CHARS, SLUG_MAX_CHARS = 2, 40
"""As `platform.web.fields.Slug`. A slug has no underscore and an id has one, so that neither is taken for the other."""

CHANNELS_PER_TENANT_MAX = 500
"""A station's spec lists every channel it carries (about 1 KB each), in one line of the child protocol (8 MiB)."""
STREAM_KEYS_PER_CHANNEL_MAX = 10

MAX_BITRATE_BPS = 50_000_000
"""What a channel's publisher may send unless its tenant sets something else: 4K at a studio's quality has 40 Mbit/s."""
MAX_BITRATE_LEAST_BPS, MAX_BITRATE_MOST_BPS = 100_000, 200_000_000

SRT_PASSPHRASE_MIN_CHARS, SRT_PASSPHRASE_MAX_CHARS = 10, 79  # SRTO_PASSPHRASE


class ChannelState(StrEnum):
    OFFLINE = "offline"
    STARTING = "starting"
    LIVE = "live"


class Takeover(StrEnum):
    """What happens when a second publisher comes with a valid key while the first still sends."""

    FIRST_WINS = "first_wins"  # the newcomer is refused: nobody can cut off a running show by mistake
    TAKEOVER = "takeover"  # the newcomer replaces the first: a spare encoder takes over without waiting


class LadderPolicy(StrEnum):
    """Who decides which renditions a channel has, and the most that each may take."""

    ADAPTIVE = "adaptive"  # what is measured of its pictures, within the profile
    FIXED = "fixed"  # the profile


class InputName(StrEnum):
    """A channel's inputs: two encoders, best at two places. Each has its own keys."""

    MAIN = "main"
    BACKUP = "backup"

    @property
    def other(self) -> InputName:
        return InputName.BACKUP if self is InputName.MAIN else InputName.MAIN


class InputSelect(StrEnum):
    """Who decides which input is shown."""

    AUTO = "auto"  # main while it is well, backup otherwise
    MAIN = "main"  # by hand; the other one helps out for as long as this one has no picture
    BACKUP = "backup"


REVERT_AFTER_S = 10
"""How long the main input must be well before it is shown again: an encoder that comes back often drops once more."""
REVERT_AFTER_MAX_S = 3600

SLATE_MINUTES = 5
SLATE_MINUTES_MAX = 24 * 60


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


# --- inputs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Input:
    """What a publisher sends. Zeros and empty strings mean: not known yet."""

    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bitrate_bps: int = 0
    audio: str = ""


# --- names and places ---------------------------------------------------------------------------------------------


BROADCAST = "live"
"""The broadcast that viewers get, in the channel's space: nothing else is there."""
"""What a station publishes for the transcoder, in the channel's ingest space, is named after the input."""

CONTRIBUTIONS = "contrib"
"""Where browsers put what they publish, in the channel's ingest space: each its own broadcast below it."""


def contribution_path(ticket_id: str) -> str:
    """The broadcast of the browser that holds this ticket."""
    return f"{CONTRIBUTIONS}/{ticket_id}"


def space_of(channel_id: str) -> str:
    """The viewers' space of a channel on the fabric. Who may enter it may have all of it, so that relays share it out
    natively: a scope within a space would be copied frame by frame."""
    return f"live/{channel_id}"


def ingest_space_of(channel_id: str) -> str:
    """The space between a channel's station and its transcoder. No viewer's grant opens it."""
    return f"ingest/{channel_id}"


def input_id(channel_id: str, name: InputName) -> str:
    """Names one input of one channel."""
    return f"{channel_id}/{name.value}"


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
