"""A source on an RTMP server, played with our own client: no redirects to follow, and certificates are checked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

from skyriver.services.live.relaying.addresses import SourceUrl, read_rtmp
from skyriver.services.live.relaying.connecting import connect, words_of
from skyriver.services.live.relaying.errors import FarSide, UnsupportedSource
from skyriver.services.live.relaying.flv import AvcTags, Tag, aac_frame, aac_header, metadata
from skyriver.services.live.relaying.rtmp_client import RtmpClient, State
from skyriver.services.live.relaying.source import READ_TIMEOUT_S, SourceFacts
from skyriver.services.live.relaying.source_clock import SourceClock
from skyriver.services.live.stations import AudioConfig, AudioFrame, MediaEvent, VideoConfig, VideoFrame
from skyriver.services.live.stations.errors import DamagedMedia, UnsupportedMedia
from skyriver.services.live.stations.rtmp import chunks
from skyriver.services.live.stations.rtmp.errors import MalformedRtmp
from skyriver.services.live.stations.rtmp.flv import FlvReader

_READ_BYTES = 64 << 10


class RtmpSource:
    """One playing of a stream. Blocking like `Source`: give it a thread."""

    def __init__(self, url: SourceUrl, *, allow_private: bool, clock: SourceClock) -> None:
        self._from = read_rtmp(url.url, "")
        self._allow_private = allow_private
        self._clock = clock
        self._flv = FlvReader()
        self._pictures = AvcTags()
        self._video: VideoConfig | None = None
        self._audio: AudioConfig | None = None
        self._opened = False

    def run(self, stop: threading.Event, opened: Callable[[SourceFacts], None], put: Callable[[Tag], None]) -> None:
        """Read until `stop` is set or the stream ends.

        Raises:
            FarSide, PrivateRelayAddress: it cannot be reached, or has gone.
            UnsupportedSource: it is not H.264 with AAC.
        """
        try:
            asyncio.run(self._play(stop, opened, put))
        except (UnsupportedMedia, DamagedMedia) as error:
            raise UnsupportedSource(error.message, hint=error.hint) from error
        except TimeoutError as error:
            raise FarSide(f"{self._from.where} has sent nothing for {READ_TIMEOUT_S:g} s.") from error
        except (OSError, MalformedRtmp) as error:
            raise FarSide(f"The connection to {self._from.where} broke: {words_of(error)}.") from error

    async def _play(
        self, stop: threading.Event, opened: Callable[[SourceFacts], None], put: Callable[[Tag], None]
    ) -> None:
        client = RtmpClient(self._from.target, play=True)
        async with asyncio.timeout(READ_TIMEOUT_S) as silence:
            reader, writer = await connect(self._from, allow_private=self._allow_private)
            try:
                while not stop.is_set():
                    writer.write(client.take_output())
                    await writer.drain()
                    if not (data := await reader.read(_READ_BYTES)):
                        raise FarSide(f"{self._from.where} closed the connection.")
                    for message in client.receive(data):
                        silence.reschedule(asyncio.get_running_loop().time() + READ_TIMEOUT_S)
                        for event in self._events(message):
                            self._take(event, opened, put)
                    if client.state is State.CLOSED:
                        raise FarSide(f"{self._from.where} does not play this: {client.failure}.")
            finally:
                writer.close()

    def _events(self, message: chunks.Message) -> Iterator[MediaEvent]:
        read = self._flv.video if message.type_id == chunks.VIDEO else self._flv.audio
        yield from read(message.body, message.timestamp_ms)

    def _take(self, event: MediaEvent, opened: Callable[[SourceFacts], None], put: Callable[[Tag], None]) -> None:
        match event:
            case VideoConfig():
                if not event.codec.startswith("avc"):
                    raise UnsupportedMedia(
                        f"The source's video is {event.codec}, and only H.264 is taken from a URL.",
                        hint="Set the encoder to H.264 (AVC).",
                    )
                self._video = event
            case AudioConfig():
                if event.codec == "opus":
                    raise UnsupportedMedia("The source's sound is Opus, and only AAC is taken over RTMP.")
                self._audio = event
                put(aac_header(event.init, self._clock.last_us))
            case AudioFrame(payload, pts_ms):
                put(aac_frame(payload, self._clock.place(pts_ms * 1000)))
            case VideoFrame(payload, dts_ms, pts_ms, _):
                if self._video is not None and not self._opened:
                    self._opened = True
                    video, audio = self._video, self._audio
                    opened(SourceFacts("h264", "aac" if audio else "", video.width, video.height, False))
                    put(metadata(width=video.width, height=video.height, fps=video.fps, audio=audio is not None))
                dts_us = self._clock.place(dts_ms * 1000)
                for tag in self._pictures.take(payload, dts_us + (pts_ms - dts_ms) * 1000, dts_us=dts_us):
                    put(tag)
