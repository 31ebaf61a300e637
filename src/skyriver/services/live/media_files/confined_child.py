"""The child of `confined`: one job on one file, whose bytes it asks for. `python -m` this module."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import av
from PIL import Image

from skyriver.services.live.media.slate import DEFAULT_SIZE, SlateShape
from skyriver.services.live.media.slate_film import make_film
from skyriver.services.live.media_files.confined import DONE, LENGTH, READ, REQUEST, RESULT
from skyriver.services.live.media_files.errors import UnusableMedia
from skyriver.services.live.media_files.model import MediaFacts
from skyriver.services.live.media_files.storage import BlockFile

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,flv,avi"
VIDEO_CODECS = ("h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "mpeg4", "mpeg2video", "prores", "mjpeg")
AUDIO_CODECS: tuple[str, ...] = (
    "aac",
    "mp3",
    "mp3float",
    "mp2",
    "opus",
    "libopus",
    "vorbis",
    "ac3",
    "eac3",
    "flac",
    "alac",
)
AUDIO_CODECS += ("pcm_s16le", "pcm_s24le", "pcm_s16be", "pcm_f32le", "pcm_alaw", "pcm_mulaw")
_MEMORY_BYTES = 3 << 30  # of addresses: codecs ask for more than they use
_CPU_S = 150
_PIXELS_MAX = 8192 * 4320
_PROBE = {"probesize": str(5 << 20), "analyzeduration": "5000000", "max_streams": "32"}
_HINT = "Use MP4, MOV, Matroska, WebM, MPEG-TS, FLV or AVI with H.264, HEVC, AV1, VP8, VP9, MPEG-2 or -4, or ProRes."


def open_film(file: BlockFile) -> av.container.InputContainer:
    """The container, with codecs and formats on a short list. Raises UnusableMedia."""
    codecs = ",".join((*VIDEO_CODECS, *AUDIO_CODECS))
    options = {"format_whitelist": FORMATS, "codec_whitelist": codecs, "protocol_whitelist": "none", **_PROBE}
    try:
        film = av.open(file, options=options)
    except av.FFmpegError as error:
        raise UnusableMedia("This is no film that can be read.", hint=_HINT) from error
    assert isinstance(film, av.container.InputContainer)
    return film


def probe(file: BlockFile, _: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What the file holds, and its first picture as a JPEG."""
    with open_film(file) as film:
        video = film.streams.best("video")
        if not isinstance(video, av.VideoStream):
            raise UnusableMedia("This file has no picture.", hint=_HINT)
        audio = film.streams.best("audio", related=video)
        context = video.codec_context
        if context.name not in VIDEO_CODECS or video.width * video.height > _PIXELS_MAX:
            raise UnusableMedia(f"Its video, {context.name} of {video.width}x{video.height}, is not taken.", hint=_HINT)
        length_us = film.duration or 0
        if length_us <= 0:
            raise UnusableMedia(
                "This file does not say how long it is.", hint="Rewrite it: ffmpeg -i IN -c copy OUT.mp4"
            )
        first = next(iter(film.decode(video)), None)
        if first is None:
            raise UnusableMedia("No picture of this file can be decoded.", hint=_HINT)
        image = Image.fromarray(first.to_ndarray(format="rgb24"))
        image.thumbnail(DEFAULT_SIZE, Image.Resampling.BILINEAR)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=88)
        sound = audio.codec_context if isinstance(audio, av.AudioStream) else None
        facts = MediaFacts(
            container=film.format.name.partition(",")[0],
            duration_ms=length_us // 1000,
            video=context.name,
            width=video.width,
            height=video.height,
            fps=round(float(video.average_rate or 0), 3),
            audio=sound.name if sound is not None else "",
            channels=sound.channels if sound is not None else 0,
        )
    return facts.row(), out.getvalue()


def film_slate(file: BlockFile, arguments: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """The film as a slate of a given shape."""
    shape = SlateShape(**arguments["shape"])
    with open_film(file) as film:
        return make_film(film, shape).pack()


JOBS: dict[str, Callable[[BlockFile, dict[str, Any]], tuple[dict[str, Any], bytes]]] = {
    "probe": probe,
    "film_slate": film_slate,
}


def _confine() -> None:
    """Little memory, no files, no time to waste; and last in line for the processor."""
    for kind, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))
    os.nice(10)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        sys.exit(1)  # the parent is gone
    return data


def main() -> None:
    """Take a task from stdin, do it, answer on stdout."""
    _confine()
    ask, answer = sys.stdin.buffer, sys.stdout.buffer
    task = json.loads(_exactly(ask, LENGTH.unpack(_exactly(ask, LENGTH.size))[0]))

    def fetch(offset: int, size: int) -> bytes:
        answer.write(READ + REQUEST.pack(offset, size))
        answer.flush()
        return _exactly(ask, LENGTH.unpack(_exactly(ask, LENGTH.size))[0])

    try:
        told, blob = JOBS[task["job"]](BlockFile(int(task["size_bytes"]), fetch), task)
    except UnusableMedia as error:
        told, blob = {"error": error.message, "hint": error.hint}, b""
    except (av.FFmpegError, ValueError, OSError, MemoryError, struct.error) as error:
        told, blob = {"error": f"Reading this file failed ({type(error).__name__}): it is damaged.", "hint": _HINT}, b""
    text = json.dumps(told).encode()
    answer.write(DONE + RESULT.pack(len(text), len(blob)) + text + blob)
    answer.flush()


if __name__ == "__main__":
    main()
