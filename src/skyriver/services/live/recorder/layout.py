"""Where a recording's objects are, and what its index says of them. No I/O.

    recordings/<recording>/index/<chunk>.json             which segments there are, two minutes a chunk
    recordings/<recording>/index/<chunk>.<late>.json      more of them, by a recorder that brings its spool after a move
    recordings/<recording>/media/<track>/init-<hash>.mp4  an init segment, named by its content
    recordings/<recording>/media/<track>/<number>.m4s     one segment: one `moof`, one `mdat`
    recordings/<recording>/thumbs/<number>.jpg            one picture each ten seconds
    recordings/<recording>/sprites/<n>.jpg                a hundred of them, when the show is over
    recordings/<recording>/end.json                       nothing will be added; of a clip, what was asked for

A segment's number is that of the group it begins with (see `fabric.numbering`): whoever records the same frames again,
after a crash or on another node, writes the same objects under the same names. All times are media time, µs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, Literal

from skyriver.fabric import AudioTrack, VideoTrack
from skyriver.fabric.numbering import SLOT_US, TICK_US
from skyriver.kernel.errors import InvalidInput

CHUNK_US = 60 * SLOT_US
"""Two minutes: an index object stays below 20 KB with six tracks, and a show of ten hours has 300 of them."""
_CHUNK_NUMBERS = CHUNK_US // TICK_US
GAP_MIN_US = 1_000_000
"""What is missing between two segments before it is a gap; over less than that, the last picture stays. A machine that
is short of time leaves out pictures, which viewers see as well: that is no gap of the recording."""
_REACH_NUMBERS = 62_000_000 // TICK_US  # how far away a segment may begin that overlaps another: the longest is 60 s
_TRACK = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_INDEX_BYTES = 4 * 1024 * 1024


def root(recording_id: str) -> str:
    """The prefix of everything of a recording."""
    return f"recordings/{recording_id}"


def index_prefix(recording_id: str) -> str:
    return f"{root(recording_id)}/index"


def index_key(recording_id: str, chunk: int, late: str = "") -> str:
    """Of a chunk. Two writers never share an object: who comes `late` has a name of its own."""
    return f"{index_prefix(recording_id)}/{chunk:010}{'.' if late else ''}{late}.json"


def is_late(key: str) -> bool:
    """Whether the index object is one of a late writer."""
    return key.rpartition("/")[2].count(".") > 1


def init_key(recording_id: str, track: str, name: str) -> str:
    return f"{root(recording_id)}/media/{track}/{name}"


def segment_key(recording_id: str, track: str, number: int) -> str:
    return f"{root(recording_id)}/media/{track}/{number}.m4s"


def thumb_key(recording_id: str, number: int) -> str:
    return f"{root(recording_id)}/thumbs/{number:012}.jpg"


def sprite_key(recording_id: str, sheet: int) -> str:
    return f"{root(recording_id)}/sprites/{sheet}.jpg"


def end_key(recording_id: str) -> str:
    return f"{root(recording_id)}/end.json"


def is_track_name(name: str) -> bool:
    """Whether a track's name can be part of a key."""
    return bool(_TRACK.fullmatch(name))


def chunk_of(number: int) -> int:
    """The index chunk that a segment's number belongs to."""
    return number // _CHUNK_NUMBERS


@dataclass(frozen=True)
class TrackInfo:
    """A track as playlists and people need it. Sizes in pixels; zeros and None: not known, or not of this kind."""

    name: str
    kind: Literal["video", "audio"]
    codec: str
    width: int = 0
    height: int = 0
    framerate: float | None = None
    bitrate_bps: int | None = None
    sample_rate_hz: int = 0
    channels: int = 0

    @classmethod
    def of(cls, name: str, track: VideoTrack | AudioTrack) -> TrackInfo:
        if isinstance(track, VideoTrack):
            size = {"width": track.width, "height": track.height, "framerate": track.framerate}
            return cls(name, "video", track.codec, bitrate_bps=track.bitrate_bps, **size)  # type: ignore[arg-type]
        return cls(
            name,
            "audio",
            track.codec,
            bitrate_bps=track.bitrate_bps,
            sample_rate_hz=track.sample_rate_hz,
            channels=track.channels,
        )


@dataclass(frozen=True)
class Segment:
    """One segment of one track. `head_bytes`: its `moof`, which is enough to know every sample; `init`: the init
    segment's name."""

    number: int
    start_us: int
    duration_us: int
    size_bytes: int
    head_bytes: int
    init: str

    @property
    def end_us(self) -> int:
        return self.start_us + self.duration_us


@dataclass(frozen=True)
class Gap:
    """A stretch that the recording does not have."""

    from_us: int
    to_us: int

    def json(self) -> dict[str, int]:
        return {"from_us": self.from_us, "to_us": self.to_us}


@dataclass
class Index:
    """What a recording, or a chunk of it, holds."""

    tracks: dict[str, TrackInfo] = field(default_factory=dict)
    segments: dict[str, dict[int, Segment]] = field(default_factory=dict)

    def add(self, track: TrackInfo, segment: Segment) -> bool:
        """Take a segment in; the same number replaces. False when it overlaps others and is no part of the index.

        Overlaps come from a recorder that began elsewhere without knowing what its predecessor had stored: the
        longer of the two is kept.
        """
        found = self.segments.setdefault(track.name, {})
        if self.has_better(track.name, segment):
            return False
        near = range(segment.number - _REACH_NUMBERS, segment.number + _REACH_NUMBERS)
        others = (found[number] for number in near if number in found and number != segment.number)
        rivals = [other for other in others if _overlap_us(other, segment) > TICK_US]
        if sum(other.duration_us for other in rivals) >= segment.duration_us:
            return False
        for other in rivals:
            del found[other.number]
        found[segment.number] = segment
        self.tracks[track.name] = track
        return True

    def has_better(self, track: str, segment: Segment) -> bool:
        """Whether a longer one of the same number is there: a part of it must not replace it."""
        present = self.segments.get(track, {}).get(segment.number)
        return present is not None and present.duration_us > segment.duration_us

    def merge(self, other: Index) -> None:
        """Add what `other` has."""
        self.tracks.update(other.tracks)
        for name, segments in other.segments.items():
            self.segments.setdefault(name, {}).update(segments)

    def of(self, track: str) -> list[Segment]:
        """A track's segments in order."""
        return sorted(self.segments.get(track, {}).values(), key=lambda segment: segment.start_us)

    def chunk(self, chunk: int) -> Index:
        """The part of it that is one chunk's."""
        cut = {
            name: {number: segment for number, segment in found.items() if chunk_of(number) == chunk}
            for name, found in self.segments.items()
        }
        kept = {name: found for name, found in cut.items() if found}
        return Index({name: self.tracks[name] for name in kept}, kept)

    def between(self, from_us: int, to_us: int) -> Index:
        """The segments that hold anything of `from_us` up to `to_us`."""
        cut = {
            name: {n: s for n, s in found.items() if s.end_us > from_us and s.start_us < to_us}
            for name, found in self.segments.items()
        }
        kept = {name: found for name, found in cut.items() if found}
        return Index({name: self.tracks[name] for name in kept}, kept)

    # -- what is in it ---------------------------------------------------------------------------------------------

    @property
    def size_bytes(self) -> int:
        return sum(segment.size_bytes for segment in self._all())

    @property
    def start_us(self) -> int:
        """When the reference track begins: the zero of players' clocks. 0 when there is nothing."""
        reference = self.reference
        return self.of(reference)[0].start_us if reference else 0

    @property
    def end_us(self) -> int:
        """When the reference track ends."""
        reference = self.reference
        return self.of(reference)[-1].end_us if reference else 0

    @property
    def media_us(self) -> int:
        """How much can be played: the reference track without its gaps."""
        reference = self.reference
        return sum(segment.duration_us for segment in self.of(reference)) if reference else 0

    def videos(self) -> list[TrackInfo]:
        """The video tracks, largest first."""
        found = [track for track in self.tracks.values() if track.kind == "video"]
        return sorted(found, key=lambda track: (-track.height, -(track.bitrate_bps or 0), track.name))

    def audios(self) -> list[TrackInfo]:
        return [track for _, track in sorted(self.tracks.items()) if track.kind == "audio"]

    @property
    def reference(self) -> str | None:
        """The track whose gaps are the recording's: the smallest video, else the sound."""
        if videos := self.videos():
            return videos[-1].name
        audios = self.audios()
        return audios[0].name if audios else None

    def gaps(self) -> list[Gap]:
        """What is missing between the first and the last segment of the reference track."""
        reference = self.reference
        if reference is None:
            return []
        return [
            Gap(a.end_us, b.start_us) for a, b in pairwise(self.of(reference)) if b.start_us - a.end_us >= GAP_MIN_US
        ]

    def _all(self) -> Iterator[Segment]:
        for found in self.segments.values():
            yield from found.values()

    # -- as an object ----------------------------------------------------------------------------------------------

    def to_json(self) -> bytes:
        rows = {
            name: [[s.number, s.start_us, s.duration_us, s.size_bytes, s.head_bytes, s.init] for s in self.of(name)]
            for name in self.segments
        }
        tracks = [asdict(track) for _, track in sorted(self.tracks.items())]
        return json.dumps({"version": 1, "tracks": tracks, "segments": rows}, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, body: bytes) -> Index:
        """The chunk in an object.

        Raises:
            InvalidInput: it is none of ours.
        """
        try:
            if len(body) > _MAX_INDEX_BYTES:
                raise ValueError("too large")
            document: Mapping[str, Any] = json.loads(body)
            if document["version"] != 1:
                raise ValueError(f"version {document['version']}")
            tracks = {entry["name"]: TrackInfo(**entry) for entry in document["tracks"]}
            segments = {name: _segments(rows) for name, rows in document["segments"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"A recording's index cannot be read: {error!r}.") from error
        if not segments.keys() <= tracks.keys() or not all(map(is_track_name, tracks)):
            raise InvalidInput("A recording's index names tracks that it does not describe.")
        return cls(tracks, segments)


def _segments(rows: Iterable[list[Any]]) -> dict[int, Segment]:
    found = {}
    for number, start_us, duration_us, size_bytes, head_bytes, init in rows:
        segment = Segment(int(number), int(start_us), int(duration_us), int(size_bytes), int(head_bytes), str(init))
        found[segment.number] = segment
    return found


def _overlap_us(one: Segment, other: Segment) -> int:
    return min(one.end_us, other.end_us) - max(one.start_us, other.start_us)
