"""A source, read with FFmpeg's demuxers in a thread: RTSP, HLS, files and streams over HTTP, and SRT.

FFmpeg is held on a short lead, because a tenant chooses what it reads. Only the demuxers below are possible, none of
which opens another file by itself; HTTP is ours (`http_files`), for the segments of a playlist too; SRT is libsrt's
(`srt_link`); RTSP is interleaved into one TCP connection through `rtsp_door`. FFmpeg's own messages stay here: they
quote URLs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import av
from av.bitstream import BitStreamFilterContext
from av.stream import Discard

from skyriver.kernel.clock import Monotonic, monotonic_s
from skyriver.services.live.media_files.storage import BlockFile
from skyriver.services.live.relaying.addresses import SourceUrl, read_srt
from skyriver.services.live.relaying.connecting import words_of
from skyriver.services.live.relaying.errors import FarSide, SourceEnded, UnsupportedSource
from skyriver.services.live.relaying.flv import AvcTags, Tag, metadata
from skyriver.services.live.relaying.http_files import HttpAccess, HttpFile
from skyriver.services.live.relaying.rtsp_door import RtspDoor
from skyriver.services.live.relaying.sound import AacSound, EncodedSound
from skyriver.services.live.relaying.source_clock import SourceClock
from skyriver.services.live.relaying.srt_link import SrtFile
from skyriver.services.live.stations.errors import DamagedMedia

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 15.0, 10.0
AHEAD_S = 0.1  # how far a paced source may run ahead; its door holds back what is over 0.2 s
BEHIND_S = 0.5  # a source that was late is not made up for: what follows is sent at its own speed
_PROBE = {"probesize": str(2 << 20), "analyzeduration": "3000000", "max_streams": "32"}
_FILE_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,flv,avi,aac,mp3"
_NO_RANGES = (
    "This server does not send parts of a file, and an MP4 may have its index at the end: "
    "serve it from another server, or rewrite it with `ffmpeg -i IN -c copy -movflags +faststart OUT`."
)
_HLS = {
    "allowed_extensions": "ALL",
    "extension_picky": "0",  # names say nothing; formats are limited, and every file is fetched by us
    "http_persistent": "0",
    "http_multiple": "0",
    "max_reload": "20",
}


@dataclass(frozen=True)
class SourceFacts:
    """What a source turned out to hold."""

    video: str
    audio: str
    width: int
    height: int
    encodes_audio: bool


class Source:
    """One opening of a source. Blocking: give it a thread.

    Args:
        file: opens an uploaded file, which is read instead of a URL.
    """

    def __init__(
        self,
        url: SourceUrl,
        *,
        loop: bool,
        allow_private: bool,
        clock: SourceClock,
        now: Monotonic = monotonic_s,
        file: Callable[[], BlockFile] | None = None,
    ) -> None:
        self._url = url
        self._file = file
        self._loop = loop
        self._allow_private = allow_private
        self._clock = clock
        self._now = now
        self._paced = url.scheme in ("http", "https", "file")
        self._began_s = 0.0

    def run(self, stop: threading.Event, opened: Callable[[SourceFacts], None], put: Callable[[Tag], None]) -> None:
        """Read until `stop` is set or the source ends.

        Raises:
            FarSide, PrivateRelayAddress: it cannot be reached, or has gone, or has ended.
            UnsupportedSource: it holds nothing that a channel can take.
        """
        try:
            first = True
            while first or self._loop:
                with ExitStack() as stack:
                    container = self._open(stack, stop)
                    count = self._read(container, stop, opened if first else None, put)
                if stop.is_set():
                    return
                if not count:
                    raise FarSide(f"{self._url.host} sends no pictures.")
                self._clock.begin_again()
                first = False
            raise SourceEnded("The source has come to its end.", hint="Switch the loop on to play it again and again.")
        except av.FFmpegError as error:
            raise FarSide(f"Reading from {self._url.host} failed: {_words(error)}.") from error
        except OSError as error:  # of our own files, on its way through the library
            raise FarSide(f"Reading from {self._url.host} failed: {words_of(error)}.") from error
        except DamagedMedia as error:
            raise UnsupportedSource(f"The source's video is damaged: {error.message}") from error

    def _open(self, stack: ExitStack, stop: threading.Event) -> av.container.InputContainer:
        if self._file is not None:
            options = {"format_whitelist": _FILE_FORMATS, "protocol_whitelist": "none", **_PROBE}
            return _entered(stack, av.open(stack.enter_context(self._file()), options=options))
        if self._url.scheme == "rtsp":
            door = stack.enter_context(RtspDoor(self._url, allow_private=self._allow_private))
            options = {"rtsp_transport": "tcp", "protocol_whitelist": "rtsp,rtp,tcp", **_PROBE}
            try:
                timeout = (OPEN_TIMEOUT_S, READ_TIMEOUT_S)
                return _entered(stack, av.open(door.url, format="rtsp", options=options, timeout=timeout))
            except av.FFmpegError as error:
                if door.failure:
                    raise FarSide(door.failure) from error
                raise
        if self._url.scheme == "srt":
            live = SrtFile(read_srt(self._url.url), allow_private=self._allow_private, stopped=stop.is_set)
            stack.enter_context(live)
            try:
                return _entered(stack, av.open(live, format="mpegts", options={"protocol_whitelist": "none", **_PROBE}))
            except av.InvalidDataError as error:
                hint = "Have its side send an MPEG transport stream (ffmpeg: -f mpegts)."
                raise FarSide(f"What {self._url.host} sends is no video that can be read.", hint=hint) from error
        access = HttpAccess.of(self._url.url, allow_private=self._allow_private)
        file = stack.enter_context(HttpFile(self._url.url, access))
        if not file.is_playlist:
            options = {"format_whitelist": _FILE_FORMATS, "protocol_whitelist": "none", **_PROBE}
            try:
                return _entered(stack, av.open(file, options=options))
            except av.InvalidDataError as error:
                hint = "" if file.seekable() else _NO_RANGES
                raise FarSide(f"What {self._url.host} sends is no video that can be read.", hint=hint) from error

        def open_nested(url: str, flags: int, options: dict[str, Any]) -> HttpFile:
            if urlsplit(url).scheme not in ("http", "https"):
                raise FarSide("The playlist names an address that is neither http nor https.")
            end = int(options.get("end_offset") or 0)
            return HttpFile(url, access, offset=int(options.get("offset") or 0), end=end or None)

        hls = {"format_whitelist": f"hls,{_FILE_FORMATS}", "protocol_whitelist": "http,https", **_HLS, **_PROBE}
        return _entered(stack, av.open(_Named(file), format="hls", io_open=open_nested, options=hls))

    def _read(
        self,
        container: av.container.InputContainer,
        stop: threading.Event,
        opened: Callable[[SourceFacts], None] | None,
        put: Callable[[Tag], None],
    ) -> int:
        video, audio = _choose(container)
        filters = BitStreamFilterContext("h264_mp4toannexb", video)
        extradata = video.codec_context.extradata or b""
        pictures = AvcTags(extradata if extradata[:3] in (b"\0\0\1", b"\0\0\0") else b"")
        sound = _sound(audio) if audio is not None else None
        if opened is not None:
            opened(_facts(video, audio, sound))
            put(metadata(width=video.width, height=video.height, fps=_fps(video), audio=audio is not None))
        count = 0
        for packet in container.demux(*(stream for stream in (video, audio) if stream is not None)):
            if stop.is_set():
                break
            if packet.stream is video:
                for access_unit in filters.filter(packet):
                    for tag in self._picture(access_unit, pictures):
                        count += 1
                        self._pace(tag.dts_us, stop)
                        put(tag)
            elif sound is not None and packet.size:
                for tag in sound.take(cast("av.Packet[av.AudioStream]", packet), self._clock):
                    put(tag)
        return count

    def _picture(self, packet: av.Packet[av.VideoStream], pictures: AvcTags) -> Iterator[Tag]:
        dts = packet.dts if packet.dts is not None else packet.pts
        if dts is None or not packet.size:
            return
        unit_us = packet.time_base * 1_000_000
        dts_us = self._clock.place(int(dts * unit_us), int((packet.duration or 0) * unit_us))
        ahead_us = int(((packet.pts if packet.pts is not None else dts) - dts) * unit_us)
        yield from pictures.take(bytes(packet), dts_us + max(ahead_us, 0), dts_us=dts_us)

    def _pace(self, line_us: int, stop: threading.Event) -> None:
        """Send a file no faster than it plays."""
        if not self._paced:
            return
        now_s, due_s = self._now(), self._began_s + line_us / 1e6
        if not self._began_s or now_s - due_s > BEHIND_S:
            self._began_s = now_s - line_us / 1e6
        elif due_s - now_s > AHEAD_S:
            stop.wait(due_s - now_s - AHEAD_S)


def _entered(stack: ExitStack, container: object) -> av.container.InputContainer:
    assert isinstance(container, av.container.InputContainer)
    return stack.enter_context(container)


class _Named:
    """A file with its URL as its name: playlists name their segments relative to it."""

    def __init__(self, file: HttpFile) -> None:
        self.name = file.url
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable


def _choose(container: av.container.InputContainer) -> tuple[av.VideoStream, av.AudioStream | None]:
    """The picture and the sound to take: of a playlist's variants the one with most pixels that we can take."""
    videos = [s for s in container.streams.video if s.codec_context.name == "h264"]
    if not videos:
        found = ", ".join(sorted({s.codec_context.name for s in container.streams.video}))
        raise UnsupportedSource(
            f"The source's video is {found}, and only H.264 is taken from a URL."
            if found
            else "The source has no video.",
            hint="Set the camera or the encoder to H.264 (AVC).",
        )
    video = max(videos, key=lambda s: (s.width * s.height, s.codec_context.bit_rate or 0, -s.index))
    audio = container.streams.best("audio", related=video)
    for stream in container.streams:
        if stream is not video and stream is not audio:
            stream.discard = Discard.all  # the variants nobody takes need not be fetched
    return video, audio if isinstance(audio, av.AudioStream) else None


def _sound(audio: av.AudioStream) -> AacSound | EncodedSound:
    context = audio.codec_context
    if context.name == "aac":
        return AacSound(context.extradata or b"")
    return EncodedSound(audio)


def _facts(video: av.VideoStream, audio: av.AudioStream | None, sound: AacSound | EncodedSound | None) -> SourceFacts:
    name = audio.codec_context.name if audio is not None else ""
    return SourceFacts("h264", name, video.width, video.height, isinstance(sound, EncodedSound))


def _fps(video: av.VideoStream) -> float | None:
    return float(video.average_rate) if video.average_rate else None


def _words(error: av.FFmpegError) -> str:
    """What FFmpeg says, without the file's name that its text quotes."""
    return (error.strerror or type(error).__name__).rstrip(".")[:200]
