"""The tracks of captions in the broadcast that viewers get. Cues come from outside; here they are written."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from skyriver.fabric import CaptionTrack, MediaTrack
from skyriver.services.live.captions.model import TRACKS_MAX, Cue, encode_cues, track_of, with_cue
from skyriver.services.live.workloads.transcoder.output import LiveBroadcast

log = logging.getLogger(__name__)


@dataclass
class _Written:
    """One language: what the catalog says of it, its track, and the cues that a viewer who joins now should have."""

    description: CaptionTrack
    track: MediaTrack
    cues: tuple[Cue, ...] = ()


class Captioning:
    """All languages of a channel.

    A cue may come before the spec that names its language: the first cue of a language puts it on offer. A damaged cue
    is left out with a line in the log, since nothing about captions may cost the picture.
    """

    def __init__(self, live: LiveBroadcast) -> None:
        self._live = live
        self._languages: dict[str, _Written] = {}

    def follow(self, tracks: Iterable[tuple[str, str]]) -> None:
        """Offer exactly these languages, by (language, label). Their numbers go on if one ever returns."""
        wanted = dict(tracks)
        for language in [language for language in self._languages if language not in wanted]:
            del self._languages[language]
            self._live.remove(track_of(language))
        for language, label in wanted.items():
            self._offer(language, label)

    def take(self, command: Mapping[str, Any]) -> None:
        """Write the cue of a `cue` command."""
        try:
            language, label = str(command["language"]), str(command["label"])
            cue = Cue(int(command["start_us"]), int(command["end_us"]), str(command["text"]))
            told_us, group = int(command["told_us"]), int(command["group"])
        except (KeyError, TypeError, ValueError) as error:
            log.warning("a cue could not be read: %r", error)
            return
        if language not in self._languages and len(self._languages) >= TRACKS_MAX:
            log.warning("a cue in one language too many was left out", extra={"language": language})
            return
        written = self._languages.get(language) or self._offer(language, label)
        written.cues = with_cue(written.cues, cue)
        written.track.write(encode_cues(written.cues), told_us, keyframe=True, group=group)

    def _offer(self, language: str, label: str) -> _Written:
        description = CaptionTrack(language, label)
        written = self._languages.get(language)
        if written is None or written.description != description:
            track = self._live.captions(track_of(language), description)
            written = _Written(description, track, written.cues if written else ())
            self._languages[language] = written
        return written
