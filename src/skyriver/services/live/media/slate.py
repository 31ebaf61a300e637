"""The picture and the silence that keep a channel alive while nobody publishes to it.

A slate is made once, as groups of pictures and frames of sound, and then played for ever by repeating their bytes: it
costs nothing to keep in readiness, and is an input like any other. A film is made into one by `slate_film`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
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
    """A slate, encoded: a round of groups, each of one slot's pictures or fewer, and of frames of sound.

    `gops` are Annex-B access units, each group beginning with its keyframe. Their number is even: two keyframes in a
    row must differ in their idr_pic_id (H.264, 7.4.3), which the encoder alternates.
    """

    shape: SlateShape
    codec: str
    fps: int
    gops: tuple[tuple[bytes, ...], ...]
    sound_config: bytes
    sound: tuple[bytes, ...]
    """As long as the groups together, or half as long, to be heard twice; or one frame of silence. Empty: no sound."""

    def pack(self) -> tuple[dict[str, Any], bytes]:
        """As another process is told it: JSON, and its bytes in the order of the sizes in it."""
        sizes = {"gops": [[len(unit) for unit in gop] for gop in self.gops], "sound": [len(u) for u in self.sound]}
        pieces = [unit for gop in self.gops for unit in gop] + [self.sound_config, *self.sound]
        return {"codec": self.codec, "fps": self.fps, "config": len(self.sound_config), **sizes}, b"".join(pieces)

    @classmethod
    def unpack(cls, shape: SlateShape, told: Mapping[str, Any], blob: bytes) -> Slate:
        """The other way. Raises ValueError, TypeError or KeyError for what is no slate."""
        data = io.BytesIO(blob)
        gops = tuple(tuple(data.read(int(size)) for size in gop) for gop in told["gops"])
        config = data.read(int(told["config"]))
        sound = tuple(data.read(int(size)) for size in told["sound"])
        if not gops or len(gops) % 2 or not all(gops) or not 1 <= int(told["fps"]) <= 60 or data.read(1):
            raise ValueError("these bytes are no slate")
        return cls(shape, str(told["codec"]), int(told["fps"]), gops, config, sound)

    @property
    def sound_frame_us(self) -> float:
        """How long a frame of sound lasts."""
        return FRAME_SAMPLES * 1e6 / self.shape.rate_hz if self.shape.rate_hz else 0.0


def make_slate(look: SlateLook, shape: SlateShape) -> Slate:
    """Draw and encode a slate: some tenths of a second of one core, so not on an event loop.

    Raises:
        OSError: the look's picture is no picture.
        FFmpegError: nothing of this shape can be encoded.
    """
    picture = VideoFrame.from_ndarray(np.asarray(draw(look, shape.width, shape.height)), format="rgb24")
    picture = picture.reformat(shape.width, shape.height, "yuv420p")
    units = encode_pictures([picture] * (FRAMES_PER_GOP * GOPS), shape, FPS)
    gops = tuple(units[n : n + FRAMES_PER_GOP] for n in range(0, len(units), FRAMES_PER_GOP))
    return Slate(shape, avc3_codec(units[0]) or "avc3.42e01e", FPS, gops, *silence(shape.rate_hz, shape.channels))


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


def encode_pictures(
    pictures: Iterable[VideoFrame], shape: SlateShape, fps: int, *, bitrate_bps: int | None = None
) -> tuple[bytes, ...]:
    """Access units with a keyframe at each slot, none of which waits for a later one. Pictures are yuv420p.

    Args:
        bitrate_bps: what it may be at most.
    """
    gop = SLOT_US * fps // 1_000_000
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = shape.width, shape.height, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, fps), Fraction(fps)
    codec.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "crf": "20",
        "g": str(gop),
        "forced-idr": "1",
        "x264-params": f"scenecut=0:threads=1:keyint={gop}:min-keyint={gop}",
    }
    if bitrate_bps is not None:
        codec.options |= {"maxrate": str(bitrate_bps), "bufsize": str(2 * bitrate_bps)}
    packets = []
    for number, picture in enumerate(pictures):
        picture.pts, picture.time_base = number, codec.time_base
        picture.pict_type = PictureType.NONE if number % gop else PictureType.I
        packets += codec.encode(picture)
    return tuple(bytes(packet) for packet in (*packets, *codec.encode(None)))


def new_aac(rate_hz: int, channels: int, *, bitrate_bps: int | None = None) -> AudioCodecContext:
    """An open AAC-LC encoder of mono or stereo."""
    codec = av.CodecContext.create("aac", "w")
    assert isinstance(codec, AudioCodecContext)
    codec.sample_rate, codec.layout, codec.format = rate_hz, "mono" if channels == 1 else "stereo", "fltp"
    codec.flags |= av.codec.context.Flags.global_header
    if bitrate_bps is not None:
        codec.bit_rate = bitrate_bps
    codec.open()
    return codec


def silence(rate_hz: int, channels: int) -> tuple[bytes, tuple[bytes, ...]]:
    """AudioSpecificConfig, and a raw AAC-LC frame from the middle of a stream of silence; nothing for 0 channels."""
    if not channels:
        return b"", ()
    codec = new_aac(rate_hz, channels)
    frame = AudioFrame("fltp", "mono" if channels == 1 else "stereo", FRAME_SAMPLES)
    frame.sample_rate = rate_hz
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    packets = []
    for number in range(8):
        frame.pts, frame.time_base = number * FRAME_SAMPLES, Fraction(1, rate_hz)
        packets += codec.encode(frame)
    return bytes(codec.extradata or b""), (bytes(packets[-1]),)
