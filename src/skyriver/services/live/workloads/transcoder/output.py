"""The outgoing side of a transcoder: the broadcast that viewers get."""

from __future__ import annotations

from collections.abc import Iterable

from skyriver.fabric import AudioTrack, Broadcast, CaptionTrack, MediaTrack, VideoTrack
from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.flow import Flow

SOURCE, AAC, OPUS = "source", "aac", "opus"


class LiveBroadcast:
    """The outgoing side: tracks by name, the moment of announcing, and what flows through each."""

    def __init__(self, broadcast: Broadcast, clock: MediaClock, *, cost: int = 0) -> None:
        self._cost = cost
        self._broadcast = broadcast
        self._clock = clock
        self._tracks: dict[str, MediaTrack] = {}
        self._sound_us: dict[str, int] = {}  # the newest time of each audio track
        self._expected: set[str] = set()
        self._announced = False
        self.carried: set[str] = set()
        """Renditions that are not offered for now: what is written to their tracks are another one's pictures."""
        self.videos: dict[str, VideoTrack] = {}
        self.flows: dict[str, Flow] = {}

    def expect(self, tracks: Iterable[str]) -> None:
        """What the whole broadcast consists of; announced when all of it is there."""
        self._expected = set(tracks)
        self._announce_if_whole()

    @property
    def catalog(self) -> str:
        """What viewers are offered now, as the catalog's track says it; empty until it is announced."""
        return self._broadcast.catalog.to_json().decode() if self._announced else ""

    def announce(self) -> None:
        """Announce what there is. Repeating it does nothing."""
        if not self._announced and self._tracks:
            self._announced = True
            self._broadcast.announce(cost=self._cost)

    def video(self, name: str, track: VideoTrack) -> None:
        self.videos[name] = track
        self.carried.discard(name)
        self._add(name, self._broadcast.video(name, track))

    def audio(self, name: str, track: AudioTrack) -> None:
        self._sound_us.setdefault(name, -1)
        self._add(name, self._broadcast.audio(name, track))

    def withhold(self, name: str) -> None:
        """Take a track out of the offer, and go on with it for those who read it: nobody is cut off."""
        if name in self.videos:
            self.carried.add(name)
            self._broadcast.remove(name)

    def remove(self, name: str) -> None:
        """Take a track out of the offer. Its numbers go on if it ever returns."""
        self.videos.pop(name, None)
        self.carried.discard(name)
        self.flows.pop(name, None)
        self._tracks.pop(name, None)
        self._broadcast.remove(name)

    def write(self, name: str, payload: bytes, pts_us: int, *, keyframe: bool, group: int) -> None:
        """Write one frame. Sound that is not later than what its track has is left out: its maker has changed."""
        track = self._tracks.get(name)
        if name in self._sound_us:
            if pts_us <= self._sound_us[name]:
                return
            self._sound_us[name] = pts_us
        if track is not None:
            track.write(payload, pts_us, keyframe=keyframe, group=group)
            self.flows[name].add(len(payload), self._clock.now_us() - pts_us)

    def captions(self, name: str, track: CaptionTrack) -> MediaTrack:
        """A track of captions, or another name for it. It is never waited for."""
        return self._broadcast.captions(name, track)

    def _add(self, name: str, track: MediaTrack) -> None:
        self._tracks[name] = track
        self.flows.setdefault(name, Flow())
        self._announce_if_whole()

    def _announce_if_whole(self) -> None:
        if self._expected and self._expected <= set(self._tracks):
            self.announce()
