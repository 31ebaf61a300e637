"""One recording on its node: frames in; journals, finished segments and their waiting out.

What is on the disk, at any moment, is enough to go on: journals hold the open segments frame by frame, the spool what
the object store does not have yet. `Recording` begins by reading both, so that a process that was killed is continued
by the next one as if there had been only one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from skyriver.fabric import AudioTrack, MediaFrame, VideoTrack
from skyriver.kernel.errors import SkyriverError
from skyriver.services.live.recorder.journal import Journal, Journalled, read_journal
from skyriver.services.live.recorder.layout import Index, TrackInfo, is_track_name
from skyriver.services.live.recorder.segments import MadeSegment, TrackCutter
from skyriver.services.live.recorder.spool import Spool, SpoolFull

MAX_TRACKS = 16
log = logging.getLogger(__name__)


@dataclass
class Losses:
    """What this process could not keep, and why. Counts of this process only."""

    segments_dropped: int = 0
    frames_damaged: int = 0
    journal_errors: int = 0


@dataclass
class _Track:
    cutter: TrackCutter
    track: VideoTrack | AudioTrack
    journal: Journal | None = None
    init: str = ""


class Recording:
    """The writing side. One task owns it.

    Args:
        folder: this recording's own, on the node's disk.

    Attributes:
        on_spooled: called when there is something new for the object store.

    Raises:
        OSError: the folder cannot be used at all.
    """

    def __init__(self, folder: Path) -> None:
        self.on_spooled: Callable[[], None] = lambda: None
        self.losses = Losses()
        self.infos: dict[str, TrackInfo] = {}
        self._journals = folder / "journals"
        self._journals.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tracks_path = folder / "tracks.json"
        self._stored_until_us: dict[str, int] = {}
        self._tracks: dict[str, _Track] = {}
        self.spool = Spool(folder / "spool")
        self._recover()

    def describe(self, name: str, track: VideoTrack | AudioTrack) -> bool:
        """A track of the catalog; False for one that is not recorded. Repeating it, or renaming details, is nothing.

        Raises:
            SkyriverError: its codec cannot be recorded.
        """
        known = self._tracks.get(name)
        if known is not None and _same(known.track, track):
            return True
        if not is_track_name(name) or (known is None and len(self._tracks) >= MAX_TRACKS):
            return False
        if known is not None:
            self._finish(known, known.cutter.flush())
        after_us = known.cutter.after_us if known else self._stored_until_us.get(name, 0)
        self._tracks[name] = _Track(TrackCutter(name, track, after_us=after_us), track)
        return True

    def write(self, name: str, frame: MediaFrame) -> None:
        """One frame of a described track, in decoding order. It is on the disk when this returns."""
        track = self._tracks[name]
        try:
            made, taken = track.cutter.push(frame)
        except SkyriverError as error:
            self.losses.frames_damaged += 1
            log.debug("a frame of %s was left out: %s", name, error)
            return
        if made:
            self._finish(track, made)
        if taken:
            self._note(track, frame)

    def close_segments(self) -> None:
        """End every open segment: nothing more will come."""
        for track in self._tracks.values():
            self._finish(track, track.cutter.flush())

    def skip_stored(self, index: Index) -> None:
        """What the object store has already is not recorded once more, by whoever goes on here or on another node."""
        for name in index.segments:
            self._stored_until_us[name] = until_us = index.of(name)[-1].end_us
            track = self._tracks.get(name)
            if track is not None:
                track.cutter.after_us = max(track.cutter.after_us, until_us)

    def thumb(self, number: int, picture: bytes) -> None:
        """Keep a picture for the list; without room it is left out."""
        try:
            self.spool.put("thumb", picture, number=number)
            self.on_spooled()
        except (SpoolFull, OSError) as error:
            log.debug("a picture was left out: %r", error)

    # -- the disk --------------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        try:
            known = [TrackInfo(**entry) for entry in json.loads(self._tracks_path.read_text())]
            self.infos = {info.name: info for info in known}
        except FileNotFoundError:
            pass
        except (ValueError, TypeError) as error:
            log.warning("the list of tracks could not be read and is made anew: %s", error)
        for name, segment in self.spool.segments():
            self._stored_until_us[name] = max(self._stored_until_us.get(name, 0), segment.end_us)
        for path in sorted(self._journals.iterdir(), key=_age):
            found = read_journal(path)
            if found is None or not self._replay(path, found):
                path.unlink(missing_ok=True)

    def _replay(self, path: Path, found: Journalled) -> bool:
        """Take a journal's frames as if they came now, and go on in the same file; False when it is not needed."""
        name = path.name.rpartition(".")[0]
        try:
            if not self.describe(name, found.track):
                return False
        except SkyriverError:
            return False
        track = self._tracks[name]
        for frame in found.frames:
            with suppress(SkyriverError):
                self._finish(track, track.cutter.push(frame)[0])
        if track.cutter.number is None or path.name != self._journal_name(track):
            return False
        track.journal = Journal.resume(path, found)
        return True

    def _journal_name(self, track: _Track) -> str:
        return f"{track.cutter.name}.{track.cutter.number}"

    def _note(self, track: _Track, frame: MediaFrame) -> None:
        try:
            if track.journal is None:
                track.journal = Journal.begin(self._journals / self._journal_name(track), track.track)
            track.journal.append(frame)
        except OSError as error:
            # The segment itself is in memory: only a crash would cost it now.
            self.losses.journal_errors += 1
            log.debug("a frame could not be journalled: %s", error)

    def _finish(self, track: _Track, made: list[MadeSegment]) -> None:
        for segment in made:
            try:
                self._spool(track, segment)
            except (SpoolFull, OSError) as error:
                self.losses.segments_dropped += 1
                log.debug("a segment was dropped: %r", error)
        if made and track.journal is not None:
            track.journal.discard()
            track.journal = None

    def _spool(self, track: _Track, made: MadeSegment) -> None:
        if made.track != self.infos.get(made.track.name):
            infos = {**self.infos, made.track.name: made.track}
            fresh = self._tracks_path.with_name("tracks.json.new")
            fresh.write_text(json.dumps([asdict(info) for info in infos.values()]))
            fresh.replace(self._tracks_path)
            self.infos[made.track.name] = made.track  # on the disk first: what it does not list cannot be indexed later
        if track.init != made.init.name:
            self.spool.put("init", made.init.data, track=made.track.name, name=made.init.name)
            track.init = made.init.name
        self.spool.put("segment", made.data, track=made.track.name, segment=made.info)
        self.on_spooled()


def _same(one: VideoTrack | AudioTrack, other: VideoTrack | AudioTrack) -> bool:
    """Whether a cutter may go on: bit rates and labels do not matter, and H.264 says for itself what it is."""
    if isinstance(one, AudioTrack) and isinstance(other, AudioTrack):
        return (one.codec, one.sample_rate_hz, one.channels, one.description) == (
            other.codec,
            other.sample_rate_hz,
            other.channels,
            other.description,
        )
    return isinstance(one, VideoTrack) and isinstance(other, VideoTrack) and one.codec[:4] == other.codec[:4]


def _age(path: Path) -> int:
    number = path.name.rpartition(".")[2]
    return int(number) if number.isdigit() else 0
