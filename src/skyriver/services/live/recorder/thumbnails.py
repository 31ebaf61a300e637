"""Pictures of a recording: one each ten seconds from a keyframe of the smallest rendition, and sheets of a hundred.

Every picture has the same size, so that a sheet is a grid: other shapes are fitted in, with black beside them.
"""

from __future__ import annotations

import io

import av
from PIL import Image, ImageOps

from skyriver.platform.objects import ObjectNotFound, ObjectStore
from skyriver.services.live.recorder.layout import root, sprite_key, thumb_key
from skyriver.services.live.recorder.sheets import COLUMNS, HEIGHT, PER_SHEET, WIDTH

_QUALITY = 70
_MAX_THUMBS = 100_000  # eleven days


def picture_of(keyframe: bytes) -> bytes | None:
    """A JPEG of one H.264 keyframe (Annex B, with parameter sets); None where it does not decode. Takes milliseconds
    of one core; call it in a thread."""
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    try:
        frames = decoder.decode(av.Packet(keyframe)) + decoder.decode(None)
        if not frames:
            return None
        picture: Image.Image = frames[0].to_image()  # type: ignore[no-untyped-call]
        return _jpeg(fitted(picture))
    except (av.FFmpegError, ValueError):
        return None


def fitted(picture: Image.Image) -> Image.Image:
    """The picture within `WIDTH` x `HEIGHT`, whole."""
    return ImageOps.pad(picture.convert("RGB"), (WIDTH, HEIGHT), method=Image.Resampling.BILINEAR)


async def numbers_of(store: ObjectStore, recording_id: str) -> list[int]:
    """The pictures that there are, in order."""
    found: list[int] = []
    async for entry in store.list(f"{root(recording_id)}/thumbs"):
        name = entry.key.rpartition("/")[2].removesuffix(".jpg")
        if name.isdigit() and len(found) < _MAX_THUMBS:
            found.append(int(name))
    return found


async def make_sheets(store: ObjectStore, recording_id: str) -> int:
    """Put the pictures on sheets of a hundred; how many sheets there are. Repeating it makes the same ones.

    Raises:
        StoreAway, StoreFull, StoreRefused.
    """
    numbers = await numbers_of(store, recording_id)
    sheets = 0
    for start in range(0, len(numbers), PER_SHEET):
        part = numbers[start : start + PER_SHEET]
        rows = -(-len(part) // COLUMNS)
        sheet = Image.new("RGB", (WIDTH * COLUMNS, HEIGHT * rows))
        for place, number in enumerate(part):
            try:
                body = await store.get(thumb_key(recording_id, number))
                with Image.open(io.BytesIO(body)) as picture:
                    sheet.paste(picture, (place % COLUMNS * WIDTH, place // COLUMNS * HEIGHT))
            except (ObjectNotFound, OSError):
                continue  # its place stays black
        await store.put(sprite_key(recording_id, sheets), _jpeg(sheet))
        sheets += 1
    return sheets


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()
