"""One input's way from its publisher into its channel's ingest space: a broadcast named after the input (`main` or
`backup`), which outlives each publisher.

The broadcast is opened by the first publisher and kept for `HOLD` after the last one left, so that an encoder that
reconnects goes on in the same tracks: same `Timeline` (times only grow), same group cutters (numbers only grow).
Video keeps the encoder's own GOPs, cut into groups at keyframes; AAC is passed through.

One task reads a publication (`serve`); the server makes sure that there is at most one of them for an input.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from skyriver.fabric import AudioTrack, Broadcast, Endpoint, MediaTrack, Publisher, VideoTrack
from skyriver.kernel.clock import MediaClock
from skyriver.services.live.media.bitrate_limit import WINDOW_S, BitrateLimit
from skyriver.services.live.media.flow import Flow
from skyriver.services.live.media.groups import AudioCutter, GroupCutter
from skyriver.services.live.media.high_water import HighWater
from skyriver.services.live.model import HOLD, MAX_BITRATE_BPS
from skyriver.services.live.stations import (
    AudioConfig,
    AudioFrame,
    EndReason,
    Notice,
    Publication,
    Publishing,
    VideoConfig,
    VideoFrame,
)
from skyriver.services.live.timestamps import Timeline

VIDEO, AUDIO = "video", "audio"

AUDIO_WITHIN_US = 300_000
"""How long the first announcement waits for sound to be described; encoders send both headers before any frame."""

PICTURE_WITHIN_US = 2_000_000
"""Sound that comes alone for this long is all that there is: a channel of sound. Encoders describe both at once."""

LEAD_MAX_US = 200_000
"""A publisher further ahead of real time than this (a file without pacing) is read no faster than it plays."""

Emit = Callable[..., None]
Start = Callable[[Coroutine[None, None, None]], "asyncio.Task[None] | None"]

log = logging.getLogger(__name__)


class InputIngest:
    """One input of a station.

    Args:
        publication: names the input.
        grant: the input's service grant, asked for at each dial.
        max_bitrate_bps: what its publisher may send, asked for at each frame.
        emit: sends an event to the supervisor.
        start: starts a task that may outlive a publication, in the station's task group; None when that is ending.
    """

    def __init__(
        self,
        publication: Publication,
        space: str,
        origins: tuple[Endpoint, ...],
        grant: Callable[[], str],
        high_water: HighWater,
        *,
        max_bitrate_bps: Callable[[], int] = lambda: MAX_BITRATE_BPS,
        emit: Emit,
        start: Start,
    ) -> None:
        self.channel_id, self.input, self.input_id = publication.channel_id, publication.input, publication.input_id
        self._space = space
        self._origins = origins
        self._grant = grant
        self._high_water = high_water
        self._max_bitrate_bps = max_bitrate_bps
        self._emit = emit
        self._start = start
        wall = MediaClock()
        now_us = wall.now_us()
        # A clock that was set back while we were down would put every frame hours ahead of "now": begin at the mark.
        self._clock = MediaClock(wall_us=max(now_us, high_water.floor_us(self.input_id, now_us)))
        self._timeline = Timeline(high_water_us=high_water.floor_us(self.input_id, now_us))
        self._groups, self._audio_groups = GroupCutter(), AudioCutter()
        self._out: _Out | None = None
        self._hold: asyncio.Task[None] | None = None
        self._input: _Input | None = None

    def move(self, origins: tuple[Endpoint, ...]) -> None:
        """Publish to these relays from now on. The order does not matter: everything goes to each of them."""
        if set(origins) == set(self._origins):
            return
        self._origins = origins
        if self._out is not None:
            self._out.publisher.follow(origins)

    def close(self) -> None:
        """Leave the space. The relays keep viewers attached for a while longer."""
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
        if self._out is not None:
            if self._out.uplinks is not None:
                self._out.uplinks.cancel()
            self._out = None

    async def serve(self, publishing: Publishing) -> None:
        """Read one publication to its end."""
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
        self._timeline.begin()
        self._input = current = _Input(publishing, since_us=self._clock.now_us())
        try:
            async for event in publishing:
                if isinstance(event, VideoFrame | AudioFrame) and self._is_too_much(current, len(event.payload)):
                    break
                if isinstance(event, VideoFrame):
                    await self._video(current, event)
                elif isinstance(event, AudioFrame):
                    await self._audio(current, event)
                elif isinstance(event, VideoConfig):
                    current.video = event
                    self._describe(current)
                    self._say_started(current)
                elif isinstance(event, AudioConfig):
                    current.audio = event
                    self._describe(current)
                elif isinstance(event, Notice):
                    self._say("noticed", message=event.message)
        finally:
            self._input = None
            self._hold = self._start(self._close_later())
            self._say_ended(current)

    def metrics(self) -> dict[str, Any] | None:
        """The input as it is now; None while there is none that has shown what it is."""
        current = self._input
        if current is None or not current.said:
            return None
        video, audio = current.flow.take(), current.audio_flow.take()
        return {
            **current.shape(),
            "bitrate_bps": video.bitrate_bps + audio.bitrate_bps,
            "fps": video.fps,
            "gop_s": round(current.gop_us / 1e6, 2),
            "delay_ms": video.delay_ms,
            "drift_ms": round(self._timeline.drift_us / 1000, 1),
            "clock_jumps": self._timeline.jumps,
            "queued_bytes": current.publishing.queued_bytes,
            "relays": self._out.publisher.connections if self._out else 0,
            **current.publishing.link(),
        }

    async def _video(self, current: _Input, frame: VideoFrame) -> None:
        now_us = self._clock.now_us()
        stamp = self._timeline.video(frame.dts_ms, frame.pts_ms, now_us)
        group = self._groups.cut(stamp.pts_us, keyframe=frame.keyframe)
        current.saw(stamp.pts_us, frame.keyframe)
        if group is None or (not frame.keyframe and current.gops == 0):
            return  # the rest of a GOP whose beginning we have not seen
        out = self._out
        if out is not None and out.video is not None:
            out.video.write(frame.payload, stamp.pts_us, keyframe=frame.keyframe, group=group)
            out.announce_when_whole(heard_for_us=stamp.pts_us - current.first_pts_us)
            if current.audio is None and stamp.pts_us - current.first_pts_us >= PICTURE_WITHIN_US:
                out.drop_audio()  # an earlier publisher had sound, this one has none
        self._high_water.raise_to(self.input_id, self._timeline.high_water_us)
        current.flow.add(len(frame.payload), self._clock.now_us() - now_us)
        await self._keep_pace(now_us)

    async def _audio(self, current: _Input, frame: AudioFrame) -> None:
        now_us = self._clock.now_us()
        pts_us = self._timeline.audio(frame.pts_ms, now_us)
        if not current.first_heard_us:
            current.first_heard_us = pts_us
        if current.video is None and not current.said and pts_us - current.first_heard_us >= PICTURE_WITHIN_US:
            self._go_on_without_picture(current)
        group, starts = self._audio_groups.cut(pts_us)
        out = self._out
        if out is not None and out.audio is not None:
            out.audio.write(frame.payload, pts_us, keyframe=starts, group=group)
        self._high_water.raise_to(self.input_id, self._timeline.high_water_us)
        current.audio_flow.add(len(frame.payload), 0)
        await self._keep_pace(now_us)

    async def _keep_pace(self, now_us: int) -> None:
        lead_us = self._timeline.lead_us(now_us)
        if lead_us > LEAD_MAX_US:
            await asyncio.sleep((lead_us - LEAD_MAX_US // 2) / 1e6)

    def _is_too_much(self, current: _Input, size_bytes: int) -> bool:
        """End a publication that sends more than it may. What is measured is what is taken over: a file that is pushed
        without pacing is held back to real time before it counts."""
        limit_bps = self._max_bitrate_bps()
        rate_bps = current.bitrate.add(size_bytes, self._clock.now_us())
        if rate_bps <= limit_bps:
            return False
        current.publishing.stop(
            f"This stream is over {limit_bps / 1e6:g} Mbit/s, the channel's limit, measured over {WINDOW_S} s. "
            "Lower the encoder's bit rate, or raise the limit in the channel's settings.",
            reason=EndReason.REFUSED,
        )
        return True

    def _go_on_without_picture(self, current: _Input) -> None:
        if self._out is not None:
            self._out.drop_video()
            self._out.announce_when_whole(heard_for_us=PICTURE_WITHIN_US)
        self._say_started(current)

    def _describe(self, current: _Input) -> None:
        """Offer (or describe anew) what this publisher sends."""
        if self._out is None:
            publisher = Publisher(self._origins, self._space, self._grant)
            self._out = _Out(publisher, publisher.broadcast(self.input.value), self._start(publisher.run()))
        out = self._out
        if (video := current.video) is not None:
            out.video = out.broadcast.video(VIDEO, VideoTrack(video.codec, video.width, video.height, video.fps))
        if (audio := current.audio) is not None:
            out.audio = out.broadcast.audio(
                AUDIO, AudioTrack(audio.codec, audio.sample_rate_hz, audio.channels, audio.init)
            )

    def _say_started(self, current: _Input) -> None:
        if not current.said:
            current.said = True
            self._say("started", peer=current.publishing.peer, **current.shape())

    def _say_ended(self, current: _Input) -> None:
        ended = current.publishing.ended
        reason = ended.reason if ended else EndReason.STOPPED
        state = "stopped" if current.said else "refused"
        message = ended.message if ended else ""
        self._say(state, since_us=current.since_us, reason=reason.value, message=message)

    def _say(self, state: str, **fields: Any) -> None:
        self._emit("input", channel_id=self.channel_id, input=self.input.value, state=state, **fields)

    async def _close_later(self) -> None:
        await asyncio.sleep(HOLD.total_seconds())
        self._hold = None
        self.close()


class _Out:
    """The open broadcast."""

    def __init__(self, publisher: Publisher, broadcast: Broadcast, uplinks: asyncio.Task[None] | None) -> None:
        self.publisher = publisher
        self.broadcast = broadcast
        self.uplinks = uplinks
        self.video: MediaTrack | None = None
        self.audio: MediaTrack | None = None
        self._announced = False

    def announce_when_whole(self, *, heard_for_us: int) -> None:
        """Announce once sound is described, or after a while: a catalog that grows makes readers start twice."""
        if not self._announced and (self.audio is not None or heard_for_us >= AUDIO_WITHIN_US):
            self._announced = True
            self.broadcast.announce()

    def drop_video(self) -> None:
        """This publisher sends sound only: the picture of an earlier one is not offered any more."""
        if self.video is not None:
            self.broadcast.remove(VIDEO)
            self.video = None

    def drop_audio(self) -> None:
        """This publisher sends a picture only."""
        if self.audio is not None:
            self.broadcast.remove(AUDIO)
            self.audio = None


class _Input:
    """What is known of the present publisher. `since_us` names it in events."""

    def __init__(self, publishing: Publishing, since_us: int) -> None:
        self.publishing = publishing
        self.since_us = since_us
        self.said = False
        self.video: VideoConfig | None = None
        self.audio: AudioConfig | None = None
        self.first_pts_us = 0
        self.first_heard_us = 0
        self.bitrate = BitrateLimit()
        self.gops = 0
        self.gop_us = 0
        self.flow, self.audio_flow = Flow(), Flow()
        self._keyframe_us = 0

    def saw(self, pts_us: int, keyframe: bool) -> None:
        if not self.first_pts_us:
            self.first_pts_us = pts_us
        if keyframe:
            self.gop_us = pts_us - self._keyframe_us if self.gops else 0
            self.gops += 1
            self._keyframe_us = pts_us

    def shape(self) -> dict[str, Any]:
        video, audio = self.video, self.audio
        return {
            "since_us": self.since_us,
            "codec": video.codec if video else "",
            "width": video.width if video else 0,
            "height": video.height if video else 0,
            "audio": audio.codec if audio else "",
        }
