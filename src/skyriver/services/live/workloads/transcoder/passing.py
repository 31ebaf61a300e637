"""What is passed through untouched: the shown input's video as `source`, and its sound.

The video cannot change to another input in the middle of its GOP. It stays with what it shows until a keyframe of the
new one comes whose group is later than all that was written; a lost input's `source` rests until then, and players take
the ladder meanwhile. Sound can change at any frame. Where its codec's set-up changes, the first frame of the new kind
opens a group of its own, so that whoever begins with a group finds it described.
"""

from __future__ import annotations

from skyriver.fabric import TICK_US, MediaFrame, group_of
from skyriver.services.live.media.avc import plays_in_browsers
from skyriver.services.live.switching import Feed
from skyriver.services.live.workloads.transcoder.inputs import Source
from skyriver.services.live.workloads.transcoder.output import SOURCE, LiveBroadcast


class VideoPassage:
    """The track `source`."""

    def __init__(self, live: LiveBroadcast) -> None:
        self.feed: Feed | None = None
        """Whose video it is now."""
        self._live = live
        self._wanted: Feed | None = None
        self._group = -1

    def want(self, feed: Feed) -> None:
        """Change to this one at its next keyframe."""
        self._wanted = feed

    def describe(self, source: Source) -> None:
        """The one that is passed is described anew."""
        if source.feed is self.feed and source.video is not None:
            if plays_in_browsers(source.video.codec):
                self._live.video(SOURCE, source.video)
            else:
                self._live.remove(SOURCE)

    def picture(self, source: Source, frame: MediaFrame) -> None:
        """A frame of any source came, in its own time."""
        group = frame.group + source.offset_us // TICK_US
        if source.feed is self._wanted and source.feed is not self.feed and frame.keyframe and group > self._group:
            self.feed = source.feed
            self.describe(source)
        if source.feed is not self.feed:
            return
        self._group = max(self._group, group)
        pts_us = frame.pts_us + source.offset_us
        self._live.write(SOURCE, frame.payload, pts_us, keyframe=frame.keyframe, group=group)


class SoundPassage:
    """The track of the shown input's own sound, whichever of AAC and Opus that is; its times alone where the engine
    makes both."""

    def __init__(self, live: LiveBroadcast) -> None:
        self._live = live
        self._last_us = -1
        self._last_group = -1
        self._from_group = -1
        self._opens = False

    @property
    def last_us(self) -> int:
        """The newest time passed, -1 before the first."""
        return self._last_us

    def begin_group(self) -> None:
        """What comes is set up in another way than what was."""
        self._opens = self._last_us >= 0

    def frame(self, track: str | None, source: Source, frame: MediaFrame) -> int | None:
        """Write one frame, unless `track` is None; returns its output time, None when it is too late, or too early for
        its group."""
        pts_us = frame.pts_us + source.offset_us
        if pts_us <= self._last_us:
            return None
        if self._opens:
            if group_of(pts_us) <= self._last_group:
                return None
            self._opens, self._from_group = False, group_of(pts_us)
        group = max(frame.group + source.offset_us // TICK_US, self._from_group)
        if group > self._last_group:  # a group that is joined in its middle begins where it is joined
            group = max(group_of(pts_us), self._last_group)
        self._last_us, self._last_group = pts_us, max(self._last_group, group)
        if track is not None:
            self._live.write(track, frame.payload, pts_us, keyframe=True, group=group)
        return pts_us
