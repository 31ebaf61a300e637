"""The picture and the silence that keep a channel alive while nobody publishes to it.

A slate is made once, as two groups of pictures and one frame of silence, and then played for ever by repeating their
bytes: it costs nothing to keep in readiness, and is an input like any other.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import PictureType, VideoFrame
from PIL import Image, ImageDraw, ImageFont

from skyriver.fabric import SLOT_US
from skyriver.services.live.media.aac import FRAME_SAMPLES
from skyriver.services.live.media.avc import avc3_codec

FPS = 10
"""A still picture needs no more; a player that joins sees its first one within a tenth of a second."""
FRAMES_PER_GOP = SLOT_US * FPS // 1_000_000
GOPS = 2
"""Two keyframes in a row must differ in their idr_pic_id (H.264, 7.4.3), which two alternating groups do."""

WORDS = "back in a moment"
DEFAULT_SIZE = (1280, 720)
RATE_HZ, CHANNELS = 48_000, 2
_TOP, _BOTTOM = (18, 26, 44), (32, 58, 92)
_INK, _FAINT = (235, 240, 248), (158, 176, 202)
_TITLE_MAX_CHARS = 60


@dataclass(frozen=True)
class SlateLook:
    """What a slate shows: a picture (JPEG), or else the channel's name."""

    title: str = ""
    jpeg: bytes | None = None


@dataclass(frozen=True)
class SlateShape:
    """What a slate is made like: the size of the source, and the sound's rate and channels (0: no sound).

    H.264 with halved colour has even sizes only, and a source of another codec may have others: see `like`.
    """

    width: int
    height: int
    rate_hz: int = RATE_HZ
    channels: int = CHANNELS

    @classmethod
    def like(cls, size: tuple[int, int], rate_hz: int, channels: int) -> SlateShape:
        """The nearest shape that can be encoded: mono or stereo, an even size."""
        width, height = (max(2, length & ~1) for length in size)
        return cls(width, height, rate_hz, min(2, channels))


@dataclass(frozen=True)
class Slate:
    """A slate, encoded. `gops` are Annex-B access units, each group beginning with its keyframe."""

    shape: SlateShape
    codec: str
    gops: tuple[tuple[bytes, ...], ...]
    silence_config: bytes
    silence: bytes

    @property
    def silence_frame_us(self) -> float:
        """How long the frame of silence lasts."""
        return FRAME_SAMPLES * 1e6 / self.shape.rate_hz if self.shape.rate_hz else 0.0


def make_slate(look: SlateLook, shape: SlateShape) -> Slate:
    """Draw and encode a slate: some tenths of a second of one core, so not on an event loop.

    Raises:
        OSError: the look's picture is no picture.
        FFmpegError: nothing of this shape can be encoded.
    """
    picture = VideoFrame.from_ndarray(np.asarray(draw(look, shape.width, shape.height)), format="rgb24")
    units = _encode(picture, shape.width, shape.height)
    config, silence = _silence(shape.rate_hz, shape.channels) if shape.channels else (b"", b"")
    gops = tuple(units[n : n + FRAMES_PER_GOP] for n in range(0, len(units), FRAMES_PER_GOP))
    return Slate(shape, avc3_codec(units[0]) or "avc3.42e01e", gops, config, silence)


def draw(look: SlateLook, width: int, height: int) -> Image.Image:
    """The slate's picture, RGB, exactly of this size."""
    if look.jpeg is not None:
        with Image.open(io.BytesIO(look.jpeg), formats=("JPEG",)) as stored:
            return _fitted(stored.convert("RGB"), width, height)
    image = Image.new("RGB", (width, height))
    canvas = ImageDraw.Draw(image)
    for y in range(height):
        share = y / max(1, height - 1)
        canvas.line(
            (0, y, width, y), fill=tuple(round(a + (b - a) * share) for a, b in zip(_TOP, _BOTTOM, strict=True))
        )
    title = look.title.strip()[:_TITLE_MAX_CHARS] if _can_be_written(look.title) else ""
    middle = height // 2
    if title:
        font = _font(title, width * 0.86, height // 9)
        canvas.text((width // 2, middle - height // 14), title, font=font, fill=_INK, anchor="mm")
        middle += height // 14
    canvas.text((width // 2, middle), WORDS, font=_font(WORDS, width * 0.8, height // 18), fill=_FAINT, anchor="mm")
    return image


def _fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The picture as large as it fits, on black."""
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    framed = Image.new("RGB", (width, height))
    framed.paste(picture.resize(size, Image.Resampling.LANCZOS), ((width - size[0]) // 2, (height - size[1]) // 2))
    return framed


def _can_be_written(title: str) -> bool:
    """Whether Pillow's own font has these letters. It is Latin; another name is left out rather than shown as boxes."""
    return all(c.isprintable() and (ord(c) < 0x0180 or 0x2010 <= ord(c) <= 0x2026) for c in title)


def _font(text: str, width: float, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, at a size at which the text is not wider than `width`."""
    font = ImageFont.load_default(size=max(8, size))
    longest = font.getlength(text)
    return font if longest <= width else ImageFont.load_default(size=max(8, int(size * width / longest)))


def _encode(picture: VideoFrame, width: int, height: int) -> tuple[bytes, ...]:
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, FPS), Fraction(FPS)
    codec.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "crf": "20",
        "g": str(FRAMES_PER_GOP),
        "forced-idr": "1",
        "x264-params": f"scenecut=0:threads=1:keyint={FRAMES_PER_GOP}:min-keyint={FRAMES_PER_GOP}",
    }
    picture = picture.reformat(width, height, "yuv420p")
    packets = []
    for number in range(FRAMES_PER_GOP * GOPS):
        picture.pts, picture.time_base = number, codec.time_base
        picture.pict_type = PictureType.NONE if number % FRAMES_PER_GOP else PictureType.I
        packets += codec.encode(picture)
    return tuple(bytes(packet) for packet in (*packets, *codec.encode(None)))


def _silence(rate_hz: int, channels: int) -> tuple[bytes, bytes]:
    """AudioSpecificConfig, and a raw AAC-LC frame of silence from the middle of a stream of it."""
    codec = av.CodecContext.create("aac", "w")
    layout = "mono" if channels == 1 else "stereo"
    codec.sample_rate, codec.layout, codec.format = rate_hz, layout, "fltp"
    codec.flags |= av.codec.context.Flags.global_header
    codec.open()
    frame = AudioFrame("fltp", layout, FRAME_SAMPLES)
    frame.sample_rate = rate_hz
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    packets = []
    for number in range(8):
        frame.pts, frame.time_base = number * FRAME_SAMPLES, Fraction(1, rate_hz)
        packets += codec.encode(frame)
    return bytes(codec.extradata or b""), bytes(packets[-1])
